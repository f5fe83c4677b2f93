"""Alerts of predictions on the event stream; and what happens when Redis or the database is away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from shared.contracts.alert import Alert
from shared.events import ALERTS
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
SENT_WITHIN_S = 5.0


async def alerts(redis_url: str, count: int) -> list[Alert]:
    """The alerts on the stream, as soon as there are that many."""
    with Redis.from_url(redis_url) as redis:
        async with asyncio.timeout(SENT_WITHIN_S):
            while redis.xlen(ALERTS) < count:
                await asyncio.sleep(0.01)
        return [Alert.from_json(json.loads(fields[b"payload"])) for _, fields in redis.xrange(ALERTS)]


async def until_metric(client: httpx.AsyncClient, line: str, *, present: bool) -> None:
    """Wait until the metrics have the line, or have it no longer."""
    async with asyncio.timeout(SENT_WITHIN_S):
        while (line in (await client.get("/metrics")).text) is not present:
            await asyncio.sleep(0.01)


async def watched(client: httpx.AsyncClient, bench: Bench) -> None:
    await publish(client, bench.archive())
    rules = {"minimum": 90.0, "cooldown_s": 60.0, "severity": "critical"}
    assert (await client.put(f"{API}/models/yield/alert-rules", json=rules)).status_code == 200


async def test_a_prediction_out_of_its_range_reaches_the_stream_once_per_cool_down_and_asset(bench: Bench, clock: Any):
    async with bench.twin() as app, bench.client(app) as client:
        await watched(client, bench)
        for asset, count in (("acme.r101", 1), ("acme.r101", 1), ("acme.r102", 2)):
            assert (await client.post(f"{API}/predict", params={"asset": asset}, json=GOOD)).status_code == 200
            await alerts(bench.redis_url, count)
        await client.post(f"{API}/batch", params={"asset": "acme.r102"}, json={"inputs": [GOOD] * 5})
        clock.step(61.0)
        async with bench.client(app) as later:
            assert (await later.post(f"{API}/predict", params={"asset": "acme.r101"}, json=GOOD)).status_code == 200
        found = await alerts(bench.redis_url, 3)
    assert [(alert.asset, alert.subject, alert.severity) for alert in found] == [
        ("acme.r101", "yield", "critical"),
        ("acme.r102", "yield", "critical"),
        ("acme.r101", "yield", "critical"),
    ]
    assert len({alert.id for alert in found}) == 3
    assert found[0].dedup_key == found[2].dedup_key != found[1].dedup_key
    assert (found[0].facts["inputs"], found[0].facts["user"], found[0].facts["minimum"]) == (GOOD, "kato", 90.0)


async def test_an_excursion_is_told_once_with_its_end_and_a_fast_change_by_itself(bench: Bench, clock: Any):
    hot, warm = {"temp": 375.0, "pressure": 6.0}, {"temp": 360.0, "pressure": 6.0}
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        found = [(await client.post(f"{API}/predict", json=inputs)).json()["prediction"] for inputs in (hot, warm)]
        assert found[1] - found[0] > 4.0
        middle = sum(found) / 2
        rules = {"minimum": middle, "hysteresis": 1.0, "rate_limit_per_min": 2.0, "cooldown_s": 0.0}
        assert (await client.put(f"{API}/models/yield/alert-rules", json=rules)).json()["hysteresis"] == 1.0
        for inputs in (hot, hot, warm, warm):
            params = {"asset": "acme.r101"}
            assert (await client.post(f"{API}/predict", params=params, json=inputs)).status_code == 200
            # Less than a token lasts.
            clock.step(10.0)
        told = await alerts(bench.redis_url, 3)
    assert [(alert.kind, alert.severity) for alert in told] == [
        ("prediction_out_of_range", "warning"),
        ("prediction_back_in_range", "info"),
        ("prediction_changes_too_fast", "warning"),
    ]
    rate = told[2].facts["rate_per_min"]
    assert rate == pytest.approx((found[1] - found[0]) / 10.0 * 60.0)


async def test_without_redis_predictions_are_answered_and_their_alerts_wait_for_it(bench: Bench, own_valkey: Any):
    stopped = Bench(bench.folder, bench.key_pair, bench.clock, bench.database_url, own_valkey.url)
    async with stopped.twin() as app, stopped.client(app) as client:
        await watched(client, stopped)
        own_valkey.stop()
        assert (await client.post(f"{API}/predict", json=GOOD)).status_code == 200
        await until_metric(client, 'futago_twin_alerts_total{outcome="delayed"} 0.0', present=False)
        assert (await client.get("/readyz")).status_code == 200
        own_valkey.start()
        (told,) = await alerts(own_valkey.url, 1)
        assert told.facts["inputs"] == GOOD


async def test_without_its_database_a_twin_goes_on_with_what_it_knows(
    tmp_path: Path, key_pair: Any, clock: Any, postgres_server: str, postgres_url: str
):
    bench = Bench(tmp_path, key_pair, clock, postgres_url)
    bench.migrate()
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        name = postgres_url.rpartition("/")[2]
        with psycopg.connect(f"postgresql://{postgres_server}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        await until_metric(client, "futago_twin_registry_failures_total 0.0", present=False)
        assert (await client.post(f"{API}/predict", json=GOOD)).status_code == 200
        assert (await client.get(f"{API}/status")).json()["models"] == [{"name": "yield", "version": "1"}]
        assert (await client.get(f"{API}/models")).json()["code"] == "database.unavailable"
        assert (await client.get("/readyz")).status_code == 200
    # A start meanwhile, with what the former process kept on its disk.
    async with bench.twin() as app, bench.client(app) as client:
        answer = await client.post(f"{API}/predict", json=GOOD)
        assert (answer.status_code, answer.json()["version"]) == (200, "1")
        assert (await client.get("/readyz")).status_code == 200
