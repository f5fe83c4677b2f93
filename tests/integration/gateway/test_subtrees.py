"""Asset subtrees as the database compares them: as a caller's rights do, of many users and many subtrees."""

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, insert, literal, literal_column, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from services.gateway.adapters.audit_seal_keys import SealKeys
from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.sql_users import user_row
from services.gateway.adapters.subtrees import users_within
from services.gateway.adapters.tables import migrate_gateway, users
from services.gateway.domain.alerts import AlertFilter
from services.gateway.domain.audit import Event
from services.gateway.domain.audit_search import AuditFilter, AuditSearch
from services.gateway.domain.delegation import reaches
from shared.contracts.alert import Alert, Severity
from shared.database import open_engine, read, write
from shared.principal import EXTERNAL, Role
from tests.unit.gateway.fakes import NOW, SOURCE, FakeClock, principal, user

# More than one statement of PostgreSQL takes values.
CREW = 66_000
# As SQLite's own builds have it; distributions raise it.
SQLITE_VALUES = 32_766
ROOTS = (
    ("acme.osaka",),
    ("acme",),
    ("acme.osaka", "acme.tokyo"),
    ("acme.osaka.reactor.r101",),
    ("acme.osaka_",),
    ("acme.%",),
    ("acme.OSAKA",),
)
ASSETS = (
    (),
    ("acme",),
    ("acme.osaka",),
    ("acme.osaka.reactor",),
    ("acme.osaka2",),
    ("acme.osaka_", "acme.osaka-x"),
    ("acme.Osaka.reactor",),
    ("acme.osaka", "acme.tokyo"),
    ("acme.osaka.reactor.r101", "acme.osaka.reactor.r102"),
)


def limit_values(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, SQLITE_VALUES)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    event.listen(engine, "connect", limit_values)
    yield engine
    engine.dispose()


def test_the_database_and_the_rights_of_a_caller_agree_on_who_lies_within(engine: Engine):
    people = {f"u{number}": assets for number, assets in enumerate(ASSETS)}
    with write(engine) as connection:
        connection.execute(insert(users), [user_row(user(name, assets=assets)) for name, assets in people.items()])
    for roots in ROOTS:
        caller = principal("ann", Role.ADMIN, assets=roots)
        with read(engine) as connection:
            found = connection.execute(users_within(roots, engine.dialect)).scalars().all()
        assert sorted(found) == [name for name, assets in people.items() if reaches(caller, assets)], roots


def hire(engine: Engine) -> None:
    """Add a crew of one site, in the database itself: one by one would take half a minute."""
    row = user_row(user("u", assets=("acme.osaka",)))
    numbers = text(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CREW}) SELECT i FROM n")
    crew = numbers.columns(literal_column("i")).subquery()
    values = [literal(value, users.c[name].type) for name, value in row.items() if name != "username"]
    names = ["username", *(name for name in row if name != "username")]
    made = select(literal("crew-").concat(crew.c.i), *values)
    with write(engine) as connection:
        connection.execute(insert(users).from_select(names, made))


async def test_a_limited_administrator_reads_the_trail_of_more_users_than_a_statement_takes_values(engine: Engine):
    hire(engine)
    who = ("crew-1", f"crew-{CREW}", "tom", "ann", "sso:u1")
    SqlAudit(engine).append([Event(NOW, name, "GET /x", "/x", success=True, source=SOURCE) for name in who])
    search = AuditSearch(SqlAuditBook(engine, SealKeys([])))
    # Somebody whom an identity provider vouches for is no user here, and reads what they did themselves all the same.
    caller = principal("sso:u1", Role.ADMIN, assets=("acme.osaka",), method=EXTERNAL)
    expected = ["crew-1", f"crew-{CREW}", "sso:u1"]
    page = await search.page(caller, AuditFilter(), limit=9, cursor=None)
    assert [entry.event.user for entry in page.items] == expected[::-1]
    assert [entry.event.user async for entry in search.everything(caller, AuditFilter())] == expected


async def test_alerts_are_shown_within_any_number_of_subtrees_and_in_their_own_capitals(engine: Engine):
    alerts = SqlAlerts(engine, FakeClock(), None)
    assets = ("acme.osaka", "acme.osaka.r1", "acme.Osaka.r1", "acme.osaka2", "acme.site-1999.r1", "elsewhere")
    await alerts.take(
        [Alert(asset, "twin", "k", Severity.WARNING, asset, "yield", "high", NOW, asset, {}) for asset in assets]
    )

    async def shown(wanted: AlertFilter) -> set[str | None]:
        return {stored.alert.asset for stored in (await alerts.page(wanted, limit=99, cursor=None)).items}

    many = ("acme.osaka", *(f"acme.site-{number}" for number in range(2000)))
    assert await shown(AlertFilter(roots=many)) == {"acme.osaka", "acme.osaka.r1", "acme.site-1999.r1"}
    assert await shown(AlertFilter(asset="acme.osaka")) == {"acme.osaka", "acme.osaka.r1"}
