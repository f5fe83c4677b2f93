"""SQL engines for SQLite and PostgreSQL, the two kinds of transaction the code opens, and schema migrations.

On SQLite a transaction that reads first and writes later cannot wait for another writer: it fails at once, or
worse, two of them decide on the same stale value. `write` therefore takes the write lock when it begins.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from shared.database_metrics import TimedPool
from shared.errors import AppError, Kind

_IN_MEMORY = {None, "", ":memory:"}
BUSY_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5.0
MIGRATION_WAIT_S = 120
# A transaction of SQLite sees one state by itself; PostgreSQL's usual one sees a new state with every statement.
_READING: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {"sqlite_readonly": True},
    "postgresql": {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"},
}
# The primary result codes of SQLite that speak of the moment or the machine, not of a wrong statement:
# BUSY, LOCKED, IOERR, FULL, CANTOPEN (https://sqlite.org/rescode.html).
_SQLITE_UNAVAILABLE = frozenset({5, 6, 10, 13, 14})


class DatabaseUnavailable(AppError):
    """The database cannot be reached, or stayed busy for longer than a caller should wait."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "database.unavailable"

    def __init__(self) -> None:
        super().__init__("the database does not answer", retry_after_s=2.0)


def open_engine(url: str) -> Engine:
    """Make the engine of a process; it connects when it is first used.

    Parameters
    ----------
    url
        `sqlite:////absolute/path.db` or `postgresql+psycopg://user:password@host/name`.

    Raises
    ------
    ValueError
        If the URL names another database, or another driver of these two.
    """
    driver = make_url(url).drivername
    if driver in {"sqlite", "sqlite+pysqlite"}:
        engine = create_engine(
            url,
            # One in memory has a pool of its own kind.
            **({"poolclass": TimedPool} if make_url(url).database not in _IN_MEMORY else {}),
            pool_timeout=POOL_TIMEOUT_S,
            connect_args={"timeout": BUSY_TIMEOUT_S},
            json_serializer=_to_json,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if driver == "postgresql+psycopg":
        return create_engine(
            url,
            poolclass=TimedPool,
            pool_pre_ping=True,
            pool_timeout=POOL_TIMEOUT_S,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
            json_serializer=_to_json,
        )
    raise ValueError(f"{driver} is not supported: use sqlite or postgresql+psycopg")


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write: commits at the end, rolls back on any exception.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer, or another writer holds SQLite's lock for more than `BUSY_TIMEOUT_S`.
    """
    with _translate(), engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees a single state of the data and cannot write.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer.
    """
    with _translate(), engine.execution_options(**_READING[engine.dialect.name]).begin() as connection:
        yield connection


def take_turns(connection: Connection, names: Iterable[str]) -> None:
    """Let one transaction at a time go on with any of these names, until it ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        # In one order for all, so that no two wait for each other.
        for lock in sorted({zlib.crc32(name.encode()) for name in names}):
            connection.execute(select(func.pg_advisory_xact_lock(lock)))


def _to_json(value: object) -> str:
    # NaN is no JSON: PostgreSQL refuses it, and SQLite would keep it for a client to stumble over.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


@contextmanager
def _translate() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable from error
    except (OperationalError, InterfaceError) as error:
        if not _is_outage(error):
            raise
        raise DatabaseUnavailable from error


def _is_outage(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    # sqlite3 also says OperationalError for a missing table; psycopg keeps it for the server and the connection.
    return code & 0xFF in _SQLITE_UNAVAILABLE if isinstance(code, int) else not _is_sqlite(error)


def _is_sqlite(error: DBAPIError) -> bool:
    return type(error.orig).__module__ == "sqlite3"


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # Python's own transaction control begins late and never with IMMEDIATE: `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # A commit survives the death of any process; the last ones before a power cut may be lost, never half of one.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("sqlite_readonly", False):
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(url: str, history: str, scripts: Path) -> None:
    """Bring one history of tables to its newest revision; safe when several processes start at once.

    Everything happens in one transaction, behind SQLite's write lock or an advisory lock of PostgreSQL: whoever
    comes second finds the work done, and a migration that fails leaves nothing behind.

    Parameters
    ----------
    history
        Name of the part that owns the tables; each keeps its own table `alembic_version_<history>`.
    scripts
        Folder with `env.py` and `versions/`.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer, or another migrator holds the lock for more than `MIGRATION_WAIT_S`.
    alembic.util.CommandError
        If the database is at a revision that these scripts do not know: it was written by a newer release.
    """
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite_migration)
    try:
        if is_current(engine, history, scripts):
            return
        with write(engine) as connection:
            take_turns(connection, [f"migrate {history}"])
            config = _config(scripts)
            config.attributes.update(connection=connection, version_table=_version_table(history))
            command.upgrade(config, "head")
            _check_foreign_keys(connection)
    finally:
        engine.dispose()


def run_migrations(metadata: MetaData) -> None:
    """Body of every `env.py`: apply the revisions on the connection that `migrate` holds."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        version_table=attributes["version_table"],
        target_metadata=metadata,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def is_current(engine: Engine, history: str, scripts: Path) -> bool:
    """Whether the tables of a history are at the newest revision of its scripts.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer.
    """
    wanted = ScriptDirectory.from_config(_config(scripts)).get_heads()
    with read(engine) as connection:
        migrations = MigrationContext.configure(connection, opts={"version_table": _version_table(history)})
        return set(migrations.get_current_heads()) == set(wanted)


def current_tables(engine: Engine, history: str, scripts: Path) -> Callable[[], str | None]:
    """A start-up check: the database answers, and the tables of a history are those of this release."""

    def check() -> str | None:
        try:
            current = is_current(engine, history, scripts)
        except DatabaseUnavailable as error:
            return f"the database: {error.message}"
        return None if current else f"the database lacks this release's tables of {history}; run `futago migrate`"

    return check


def ping(engine: Engine) -> None:
    """Return if the database answers.

    Raises
    ------
    DatabaseUnavailable
        If it does not.
    """
    with read(engine) as connection:
        connection.execute(text("SELECT 1"))


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def _version_table(history: str) -> str:
    return f"alembic_version_{history}"


def _prepare_sqlite_migration(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {MIGRATION_WAIT_S * 1000}")
    # Changing a table in SQLite means copying and dropping it: with foreign keys on, the drop would delete the rows
    # that point at it. The check after the migration stands in (https://sqlite.org/lang_altertable.html, section 7).
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
        raise RuntimeError(f"the migration would leave {len(broken)} rows that point at nothing, first {broken[0]}")
