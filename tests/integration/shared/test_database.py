"""Transactions and migrations on both databases."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, insert, inspect, make_url, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError, StatementError

from shared import database
from shared.database import DatabaseUnavailable, is_current, migrate, open_engine, read, write
from shared.jobs import tables

ROOT = Path(__file__).parents[3]
ENV = "from sqlalchemy import MetaData\nfrom shared.database import run_migrations\nrun_migrations(MetaData())\n"
REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = {revision!r}, {before!r}
def upgrade():
    {body}
"""
PARENT = 'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))'
CHILD = """op.create_table("child", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent", sa.Integer, sa.ForeignKey("parent.id")))"""

numbers = Table("numbers", MetaData(), Column("n", Integer))


@pytest.fixture
def scripts(tmp_path: Path):
    folder = tmp_path / "100 % migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    return folder


def revise(scripts: Path, revision: str, body: str, *, before: str | None = None) -> None:
    text = REVISION.format(revision=revision, before=before, body=body)
    (scripts / "versions" / f"{revision}.py").write_text(text)


@pytest.fixture
def engine(database_url: str):
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_the_jobs_migrations_make_exactly_the_tables_of_the_code(database_url: str, engine: Engine) -> None:
    tables.migrate_jobs(database_url)
    with read(engine) as connection:
        options = {"version_table": "alembic_version_jobs", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_migrators_that_start_at_once_migrate_once(database_url: str, engine: Engine, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", CHILD, before="0001")
    assert not is_current(engine, "h", scripts)
    migrator = "import sys, pathlib, shared.database as d; d.migrate(sys.argv[1], 'h', pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", migrator, database_url, str(scripts)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert is_current(engine, "h", scripts)
    assert set(inspect(engine).get_table_names()) == {"parent", "child", "alembic_version_h"}


def test_histories_in_one_database_do_not_meet(database_url: str, engine: Engine, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    tables.migrate_jobs(database_url)
    migrate(database_url, "h", scripts)
    assert is_current(engine, "h", scripts)
    assert is_current(engine, tables.HISTORY, tables.SCRIPTS)


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, engine: Engine, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", "op.drop_table('nowhere')", before="0001")
    with pytest.raises((OperationalError, ProgrammingError)):
        migrate(database_url, "h", scripts)
    assert inspect(engine).get_table_names() == []


def test_a_database_of_a_newer_release_is_refused(database_url: str, engine: Engine, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", CHILD, before="0001")
    migrate(database_url, "h", scripts)
    (scripts / "versions" / "0002.py").unlink()
    assert not is_current(engine, "h", scripts)
    with pytest.raises(CommandError, match="0002"):
        migrate(database_url, "h", scripts)


def test_rebuilding_a_table_in_sqlite_keeps_the_rows_that_point_at_it(sqlite_url: str, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", CHILD, before="0001")
    migrate(sqlite_url, "h", scripts)
    engine = open_engine(sqlite_url)
    with write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO parent VALUES (1)")
        connection.exec_driver_sql("INSERT INTO child VALUES (1, 1)")
    rebuild = """with op.batch_alter_table("parent", recreate="always") as table:
        table.add_column(sa.Column("name", sa.Text))"""
    revise(scripts, "0003", rebuild, before="0002")
    migrate(sqlite_url, "h", scripts)
    with read(engine) as connection:
        assert connection.exec_driver_sql("SELECT id, parent FROM child").all() == [(1, 1)]
    engine.dispose()


def test_a_migration_that_breaks_foreign_keys_in_sqlite_is_undone(sqlite_url: str, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", CHILD, before="0001")
    revise(scripts, "0003", 'op.execute("INSERT INTO child VALUES (1, 7)")', before="0002")
    with pytest.raises(RuntimeError, match="1 rows that point at nothing"):
        migrate(sqlite_url, "h", scripts)
    engine = open_engine(sqlite_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_writers_that_read_first_lose_no_update(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with write(engine) as connection:
        numbers.create(connection)

    def append(_: int) -> None:
        with write(engine) as connection:
            newest = connection.execute(select(func.coalesce(func.max(numbers.c.n), 0))).scalar_one()
            connection.execute(insert(numbers).values(n=newest + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(200)))
    with read(engine) as connection:
        assert connection.execute(select(numbers.c.n).order_by(numbers.c.n)).scalars().all() == list(range(1, 201))
    engine.dispose()


def test_a_reader_sees_one_state_and_waits_for_no_writer(engine: Engine) -> None:
    with write(engine) as connection:
        numbers.create(connection)
    with read(engine) as reader:
        assert reader.execute(select(func.count()).select_from(numbers)).scalar_one() == 0
        with write(engine) as writer:
            writer.execute(insert(numbers).values(n=1))
        assert reader.execute(select(func.count()).select_from(numbers)).scalar_one() == 0
    with write(engine) as connection:
        assert connection.execute(select(func.count()).select_from(numbers)).scalar_one() == 1


def test_a_transaction_for_reading_cannot_write(engine: Engine) -> None:
    with write(engine) as connection:
        numbers.create(connection)
    with pytest.raises(DBAPIError), read(engine) as connection:
        connection.execute(insert(numbers).values(n=1))
    with write(engine) as connection:
        connection.execute(insert(numbers).values(n=2))
    with read(engine) as connection:
        assert connection.execute(select(numbers.c.n)).scalars().all() == [2]


def test_an_exception_undoes_everything_written(engine: Engine) -> None:
    with write(engine) as connection:
        numbers.create(connection)
    with suppress(KeyError), write(engine) as connection:
        connection.execute(insert(numbers).values(n=1))
        raise KeyError
    with read(engine) as connection:
        assert connection.execute(select(numbers.c.n)).all() == []


def test_a_row_that_points_at_nothing_is_refused(database_url: str, engine: Engine, scripts: Path) -> None:
    revise(scripts, "0001", PARENT)
    revise(scripts, "0002", CHILD, before="0001")
    migrate(database_url, "h", scripts)
    with pytest.raises(IntegrityError), write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO child VALUES (1, 7)")


def test_a_wrong_statement_is_a_bug_and_not_an_outage(engine: Engine) -> None:
    with pytest.raises((OperationalError, ProgrammingError)), write(engine) as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")


def test_nan_is_never_written_as_json(database_url: str, engine: Engine) -> None:
    tables.migrate_jobs(database_url)
    with pytest.raises((ValueError, StatementError), match="not JSON compliant"), write(engine) as connection:
        connection.execute(insert(tables.jobs).values(id="1", payload={"x": float("nan")}))


def test_a_writer_that_waits_too_long_in_sqlite_is_told_to_come_back(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    engine = open_engine(sqlite_url)
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable), write(engine):
            pass
    engine.dispose()


def test_a_postgres_that_does_not_answer_is_an_outage(postgres_url: str) -> None:
    engine = open_engine(make_url(postgres_url).set(port=1).render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable), read(engine):
        pass


def test_a_sqlite_file_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/missing/test.db")
    with pytest.raises(DatabaseUnavailable), read(engine):
        pass


@pytest.mark.parametrize("url", ["mysql://localhost/x", "postgresql+psycopg2://localhost/x", "sqlite+aiosqlite://"])
def test_other_databases_and_drivers_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        open_engine(url)
