"""From SQLite to PostgreSQL, with what a real suite writes."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from sqlalchemy import inspect, text

from futago.database_move import TargetNotEmpty, TargetUnusable, move_database
from futago.launcher.environment import database_url
from futago.launcher.home import Home
from futago.launcher.keys import make_keys
from futago.migrations import migrate_all
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.bootstrap import new_admin, store_first_admin
from services.gateway.domain.audit import Event, Source
from services.gateway.library import verify_trail
from shared.clock import SystemClock
from shared.database import open_engine, read, write

NOW_MS = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with users, a key, an audit trail and rows of every kind of column."""
    home = Home(tmp_path / "var")
    home.make_folders()
    make_keys(home)
    url = database_url(home)
    migrate_all(url)
    anyio.run(store_first_admin, url, new_admin("alice"), SystemClock())
    engine = open_engine(url)
    with write(engine) as connection:
        connection.execute(
            text("INSERT INTO second_factors (username, sealed_secret, begun_at_ms) VALUES ('alice', :sealed, :now)"),
            {"sealed": bytes(range(256)), "now": NOW_MS},
        )
    engine.dispose()
    return home


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = open_engine(url)
    try:
        with read(engine) as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


QUERIES = (
    "SELECT username, role, active, assets, created_at_ms FROM users",
    "SELECT sealed_secret, begun_at_ms FROM second_factors",
    "SELECT sequence, digest FROM audit_entries ORDER BY sequence",
)


def _plain(found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    # SQLite keeps truth as a number and JSON as text.
    return [
        tuple(int(each) if isinstance(each, bool) else [] if each == "[]" else each for each in row) for row in found
    ]


def table_names(url: str) -> set[str]:
    engine = open_engine(url)
    try:
        return {name for name in inspect(engine).get_table_names() if not name.startswith("alembic_version")}
    finally:
        engine.dispose()


def test_everything_arrives_once_and_life_goes_on(home: Home, postgres_url: str):
    moved = move_database(database_url(home), postgres_url)

    assert moved.rows.keys() == table_names(database_url(home))
    assert moved.rows["second_factors"] == 1
    for query in QUERIES:
        assert _plain(rows(postgres_url, query)) == _plain(rows(database_url(home), query)), query
    key = (home.keys / "audit.pub.pem").read_bytes()
    assert verify_trail(postgres_url, [key]).intact

    with pytest.raises(TargetNotEmpty, match="users"):
        move_database(database_url(home), postgres_url)
    assert rows(postgres_url, "SELECT count(*) FROM users") == [(1,)]

    # The trail is written on, as are numbers that the database gives out.
    event = Event(datetime.now(UTC), "alice", "test", "x", success=True, source=Source("local", "test"))
    engine = open_engine(postgres_url)
    anyio.run(SqlAudit(engine).record, event)
    engine.dispose()
    found = verify_trail(postgres_url, [key])
    assert found.intact
    assert found.entries == len(rows(database_url(home), QUERIES[2])) + 1


@pytest.mark.parametrize("target", ["sqlite:////tmp/other.db", "mysql://db/futago"])
def test_only_postgresql_is_a_target(home: Home, target: str):
    with pytest.raises(TargetUnusable):
        move_database(database_url(home), target)
