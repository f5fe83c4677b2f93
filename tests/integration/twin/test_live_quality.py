"""What observations teach is shared by replicas, survives restarts, and is not needed to predict."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis
from sqlalchemy import Engine, func, select

from services.twin.adapters.sql_observations import SqlObservations
from services.twin.adapters.tables import observations
from services.twin.domain.live_settings import LiveSettings
from shared.clock import rfc3339
from shared.contracts.alert import Alert, Severity
from shared.database import open_engine, read
from shared.events import ALERTS
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
FOLLOWED_WITHIN_S = 5.0
CORRECTING = LiveSettings(bias_update=True, adaptive=True)


@pytest.fixture
async def replicas(bench: Bench) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(2):
            app = await stack.enter_async_context(bench.twin(cache_dir=bench.folder / f"cache{number}"))
            clients.append(await stack.enter_async_context(bench.client(app)))
        await publish(clients[0], bench.archive(live=CORRECTING))
        await until(lambda: _status(clients[1]), "200")
        yield clients


async def until(answer: Callable[[], Awaitable[str]], wanted: str) -> None:
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        while await answer() != wanted:
            await asyncio.sleep(0.005)


async def _status(client: httpx.AsyncClient) -> str:
    return str((await client.post(f"{API}/predict", json=GOOD)).status_code)


async def prediction(client: httpx.AsyncClient) -> float:
    return float((await client.post(f"{API}/predict", json=GOOD)).json()["prediction"])


async def quality(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{API}/models/yield/quality")).json()
    return found


def rows(bench: Bench, count: int, *, actual: float, first: int = 0, asset: str = "acme.r101") -> list[dict[str, Any]]:
    start = bench.clock.now() - timedelta(days=1)
    return [
        {"inputs": GOOD, "actual": actual, "asset": asset, "timestamp": rfc3339(start + timedelta(seconds=place))}
        for place in range(first, first + count)
    ]


async def observe(client: httpx.AsyncClient, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = await client.post(f"{API}/observations", json=documents)
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


async def test_a_replica_follows_what_another_one_has_learned(bench: Bench, replicas: list[httpx.AsyncClient]):
    first, second = replicas
    before = await prediction(second)
    await observe(first, rows(bench, 60, actual=before + 5.0))
    corrected = await prediction(first)
    assert corrected == pytest.approx(before + 5.0, abs=0.5)

    async def followed() -> str:
        return str(await prediction(second) == corrected)

    await until(followed, "True")
    assert await quality(first) == await quality(second)
    assert 'futago_twin_coverage{model="yield",version="1"}' in (await second.get("/metrics")).text


async def test_observations_of_one_version_from_two_replicas_at_once_all_count_once(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    before = await prediction(replicas[0])
    parts = [rows(bench, 10, actual=before + 1.0, first=10 * part) for part in range(8)]
    # Each part twice, by each of the two.
    answers = await asyncio.gather(*(observe(client, part) for part in parts for client in replicas))
    assert sum(result["duplicate"] for results in answers for result in results) == 80
    assert (await quality(replicas[0]))["rows"] == 80
    assert (await quality(replicas[1]))["window_rows"] == 80


async def test_a_restart_goes_on_where_the_last_observation_left_off(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive(live=CORRECTING))
        await observe(client, rows(bench, 60, actual=60.0))
        corrected, known = await prediction(client), await quality(client)
    async with bench.twin() as app, bench.client(app) as client:
        assert await prediction(client) == corrected
        assert await quality(client) == known
        (again,) = await observe(client, rows(bench, 1, actual=60.0))
        assert again["duplicate"] is True
        assert await quality(client) == known


async def test_each_version_keeps_a_correction_of_its_own_and_shares_the_group_of_an_observation(
    bench: Bench, replicas: list[httpx.AsyncClient], engine: Engine
):
    first, _ = replicas
    await publish(first, bench.archive(version="2", trees=5))
    plain = await first.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)
    documents = [{**row, "version": "2"} for row in rows(bench, 60, actual=plain.json()["prediction"] + 5.0)]
    await observe(first, documents)
    with read(engine) as connection:
        per_group = connection.execute(
            select(func.count()).select_from(observations).group_by(observations.c.group_id)
        ).scalars()
        assert set(per_group) == {2}
    await first.post(f"{API}/models/yield/activate", json={"version": "2"})
    corrections = [
        (await first.get(f"{API}/models/yield/quality", params={"version": version})).json()["correction"]["bias"]
        for version in ("1", "2")
    ]
    # The card of the second one says nothing about corrections.
    assert corrections == [pytest.approx(5.0), 0.0]


async def test_coverage_that_leaves_its_band_alerts_once_and_once_more_when_it_is_back(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        good = await prediction(client)
        for first in (0, 100):
            await observe(client, rows(bench, 30, actual=40.0, first=first))
        later = rows(bench, 300, actual=good, first=1_000)
        # One in ten outside, as it should be.
        await observe(client, [{**row, "actual": 40.0} if place % 10 == 0 else row for place, row in enumerate(later)])
    low, back = await stream(bench.redis_url)
    assert (low.kind, low.subject, low.severity) == ("coverage_out_of_band", "yield", Severity.WARNING)
    assert (low.facts["version"], low.facts["coverage"], low.facts["state"]) == ("1", 0.0, "low")
    assert (back.kind, back.severity, back.facts["coverage"]) == ("coverage_back_in_band", Severity.INFO, 0.9)


async def stream(redis_url: str) -> list[Alert]:
    with Redis.from_url(redis_url) as redis:
        return [Alert.from_json(json.loads(fields[b"payload"])) for _, fields in redis.xrange(ALERTS)]


async def test_an_alert_that_found_no_redis_is_sent_when_it_is_back(bench: Bench, own_valkey: Any):
    own = Bench(bench.folder, bench.key_pair, bench.clock, bench.database_url, own_valkey.url)
    async with own.twin() as app, own.client(app) as client:
        await publish(client, own.archive())
        own_valkey.stop()
        await observe(client, rows(own, 60, actual=40.0))
        own_valkey.start()

        async def sent() -> str:
            return str(len(await stream(own_valkey.url)))

        await until(sent, "1")


async def test_without_its_database_a_twin_predicts_as_corrected_and_refuses_observations(
    tmp_path: Path, key_pair: Any, clock: Any, postgres_server: str, postgres_url: str
):
    bench = Bench(tmp_path, key_pair, clock, postgres_url)
    bench.migrate()
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive(live=CORRECTING))
        before = await prediction(client)
        await observe(client, rows(bench, 60, actual=before + 5.0))
        corrected = await prediction(client)
        name = postgres_url.rpartition("/")[2]
        with psycopg.connect(f"postgresql://{postgres_server}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        response = await client.post(f"{API}/observations", json=rows(bench, 1, actual=1.0, first=500))
        assert (response.status_code, response.json()["code"]) == (503, "database.unavailable")
        assert int(response.headers["Retry-After"]) > 0
        assert await prediction(client) == corrected != before


async def test_old_observations_are_deleted_and_what_they_taught_stays(
    bench: Bench, replicas: list[httpx.AsyncClient], engine: Engine
):
    await observe(replicas[0], rows(bench, 20, actual=60.0))
    known = await quality(replicas[0])
    table = SqlObservations(engine)
    received = bench.clock.now()
    assert table.remove(received) == 0
    assert table.remove(received + timedelta(milliseconds=1)) == 20
    assert await quality(replicas[0]) == known


@pytest.fixture
def engine(bench: Bench) -> Any:
    engine = open_engine(bench.database_url)
    yield engine
    engine.dispose()
