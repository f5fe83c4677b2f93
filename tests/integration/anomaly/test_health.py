"""The health of assets: from scores over the database to an answer, and back to the beginning by an inspection."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import Engine

from services.anomaly.adapters.sql_health import SqlHealth
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.domain.health_history import HourKey, HourSum, hour_of, hour_start
from shared.contracts.inspection import FinishedInspection
from shared.database import migrate, open_engine
from shared.events import publish_inspection
from shared.principal import Role
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving

NOW = datetime(2026, 4, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(database_url, HISTORY, SCRIPTS)
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def key(hour: int, detector: str = "pump", asset: str = "acme.pump") -> HourKey:
    return HourKey(asset, detector, hour)


def total(hour: int, rows: int = 10, severity: float = 0.2) -> HourSum:
    return HourSum(rows, rows * severity, hour_start(hour) + timedelta(minutes=5))


async def score(client: httpx.AsyncClient, name: str, asset: str = "acme.pump", **fields: object) -> None:
    body = {"columns": COLUMNS, "rows": plant(100, seed=3).tolist(), **fields}
    assert (await client.post(f"/detectors/{name}/score?asset={asset}", json=body)).status_code == 200


def test_replicas_add_to_the_same_hour(engine: Engine):
    first, second = SqlHealth(engine), SqlHealth(engine)
    first.add({key(100): total(100, 10, 0.2)}, NOW)
    second.add({key(100): HourSum(30, 18.0, hour_start(100) + timedelta(minutes=50)), key(99): total(99)}, NOW)
    hours = first.history("acme.pump").hours["pump"]
    assert [hour for hour, _ in hours] == [99, 100]
    assert hours[1][1] == HourSum(40, pytest.approx(20.0), hour_start(100) + timedelta(minutes=50))


def test_what_no_trend_looks_back_on_is_forgotten(engine: Engine):
    store = SqlHealth(engine)
    store.add({key(100): total(100), key(100, "fan"): total(100)}, NOW)
    store.add({key(100 + 91 * 24): total(100 + 91 * 24)}, NOW)
    hours = store.history("acme.pump").hours
    assert [hour for hour, _ in hours["pump"]] == [100 + 91 * 24]
    assert [hour for hour, _ in hours["fan"]] == [100]


def test_hour_that_is_yet_to_come_lets_nothing_be_forgotten(engine: Engine):
    store, hour = SqlHealth(engine), hour_of(NOW)
    store.add({key(hour): total(hour)}, NOW)
    store.add({key(hour + 300 * 24): total(hour + 300 * 24)}, NOW)
    assert [at for at, _ in store.history("acme.pump").hours["pump"]] == [hour, hour + 300 * 24]


def test_inspection_hides_what_was_before_and_an_older_one_changes_nothing(engine: Engine):
    store = SqlHealth(engine)
    hour = hour_of(NOW)
    store.add({key(hour - 1): total(hour - 1), key(hour): total(hour)}, NOW)
    store.reset("acme.pump", NOW)
    assert store.history("acme.pump").hours == {}
    store.add({key(hour): total(hour, 5)}, NOW)
    store.reset("acme.pump", NOW)
    store.reset("acme.pump", NOW - timedelta(days=3))
    history = store.history("acme.pump")
    assert (history.reset_at, [total.rows for _, total in history.hours["pump"]]) == (NOW, [5])


async def test_health_is_there_at_once_and_on_every_replica_a_little_later(
    site: Site, client: httpx.AsyncClient, trained: str
):
    await score(client, trained)
    own = (await client.get("/assets/acme.pump/health")).json()
    assert 50 < own["health"] <= 100
    assert (own["trend"], own["condition_due"], own["limit"]) == (None, None, 40.0)
    assert own["age_s"] < 60
    assert [each["detector"] for each in own["detectors"]] == [trained]
    async with serving(site) as replica:
        assert (await replica.get("/assets/acme.pump/health")).json()["health"] == own["health"]


async def test_faulty_rows_lower_the_health(client: httpx.AsyncClient, trained: str):
    rows = plant(100, seed=3)
    rows[:, 1] += 5.0
    await score(client, trained, rows=rows.tolist())
    found = (await client.get("/assets/acme.pump/health")).json()
    assert found["health"] < 40
    assert found["condition_due"]["date"] == datetime.now(UTC).date().isoformat()


async def test_finished_inspection_lets_health_begin_anew(site: Site, client: httpx.AsyncClient, trained: str):
    await score(client, trained)
    assert (await client.get("/assets/acme.pump/health")).json()["health"] is not None
    news = FinishedInspection("acme.pump", datetime.now(UTC).date(), datetime.now(UTC))
    async with Redis.from_url(site.redis_url) as redis:
        await publish_inspection(redis, news)
    async with asyncio.timeout(20):
        # Every look gives the consumer a turn.
        while (found := (await client.get("/assets/acme.pump/health")).json())["health"] is not None:
            pass
    assert found["since"] is not None
    await score(client, trained)
    assert (await client.get("/assets/acme.pump/health")).json()["health"] is not None


async def test_asset_of_which_nothing_was_scored_is_a_404(client: httpx.AsyncClient, trained: str):
    await score(client, trained)
    answer = await client.get("/assets/acme.fan/health")
    assert (answer.status_code, answer.json()["code"]) == (404, "anomaly.health_unknown")
    assert (await client.get("/assets/a..b/health")).status_code == 422


@pytest.mark.parametrize(("assets", "status"), [((), 200), (("acme",), 200), (("acme.fan",), 403)])
async def test_caller_limited_to_assets_sees_their_health_only(
    site: Site, client: httpx.AsyncClient, trained: str, assets: tuple[str, ...], status: int
):
    await score(client, trained)
    answer = await client.get("/assets/acme.pump/health", headers=site.headers(Role.VIEWER, assets=assets))
    assert answer.status_code == status


async def test_forgotten_detector_says_nothing_of_health_any_more(client: httpx.AsyncClient, trained: str):
    await score(client, trained)
    assert (await client.get("/assets/acme.pump/health")).status_code == 200
    await client.delete(f"/detectors/{trained}")
    assert (await client.get("/assets/acme.pump/health")).status_code == 404
