"""Alerts that the gateway removes after their time, on both databases."""

from datetime import UTC, datetime, timedelta

from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain.alerts import AlertFilter
from shared.contracts.alert import Alert, Severity
from shared.database import open_engine
from tests.conftest import SteppingClock

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def alert(name: str) -> Alert:
    return Alert(
        id=name,
        source="twin",
        kind="range",
        severity=Severity.WARNING,
        asset=None,
        subject=name,
        message="too hot",
        facts={},
        occurred_at=NOW,
        dedup_key=name,
    )


async def test_acknowledged_alerts_go_after_their_time_and_open_ones_stay(database_url: str, clock: SteppingClock):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    alerts = SqlAlerts(engine, clock, None)
    await alerts.take([alert("open"), alert("long-done"), alert("just-done")])
    await alerts.acknowledge("long-done", by="ada", now=NOW)
    await alerts.acknowledge("just-done", by="ada", now=NOW + timedelta(days=10))
    assert alerts.remove_acknowledged(NOW) == 0
    assert alerts.remove_acknowledged(NOW + timedelta(days=1)) == 1
    page = await alerts.page(AlertFilter(None, None, None, ()), limit=10, cursor=None)
    assert {item.alert.id for item in page.items} == {"open", "just-done"}
    engine.dispose()
