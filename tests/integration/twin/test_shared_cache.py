"""The cache of predictions on a real Redis: shared by replicas, and no reason for an error when it is hurt."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.unit.twin.twin_service import GOOD, Bench

API = "/api/v1/twin"


@pytest.fixture
async def replicas(bench: Bench, own_valkey: Any) -> AsyncIterator[list[httpx.AsyncClient]]:
    folder = bench.bundle()
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(2):
            twin = bench.twin(
                model_path=folder, redis_url=own_valkey.url, cache_dir=bench.folder / str(number), cache_lru_entries=2
            )
            clients.append(await stack.enter_async_context(bench.client(await stack.enter_async_context(twin))))
        yield clients


async def predict(client: httpx.AsyncClient, temp: float = 361.5) -> dict[str, Any]:
    response = await client.post(f"{API}/predict", json={**GOOD, "temp": temp})
    assert response.status_code == 200, response.text
    return response.json()


async def test_what_one_replica_computed_another_finds(bench: Bench, replicas: list[httpx.AsyncClient]):
    computed = await predict(replicas[0])
    deadline_s = time.monotonic() + 10.0
    # On a busy machine a look-up may come too late and pause the cache; the written value waits in Redis.
    while not (found := await predict(replicas[1]))["from_cache"] or not await redis_hits(replicas[1]):
        assert time.monotonic() < deadline_s
        bench.clock.step(5.0)
        await predict(replicas[0])
        for other in (350.0, 351.0):  # out of the two places of its own memory
            await predict(replicas[1], other)
    for name in ("model", "version", "prediction", "prediction_interval", "applicability", "unit", "status", "age_s"):
        assert found[name] == computed[name]


async def redis_hits(client: httpx.AsyncClient) -> bool:
    text = (await client.get("/metrics")).text
    return 'futago_twin_cache_total{outcome="hit",tier="redis"} 0.0' not in text


@pytest.mark.parametrize("hurt", ["stop", "stall"])
async def test_a_redis_that_is_away_or_hangs_costs_a_moment_once(
    replicas: list[httpx.AsyncClient], own_valkey: Any, hurt: str
):
    await predict(replicas[0])
    getattr(own_valkey, hurt)()
    try:
        started_s = time.perf_counter()
        answers = [await predict(replicas[0], 350.0 + number) for number in range(20)]
        duration_s = time.perf_counter() - started_s
        assert {answer["from_cache"] for answer in answers} == {False}
        # One look-up that waits 10 ms for Redis; without the pause it would be 20 of them. The rest is leeway.
        text = (await replicas[0].get("/metrics")).text
        assert 'futago_twin_cache_total{outcome="failed",tier="redis"} 1.0' in text
        assert 'futago_twin_cache_total{outcome="skipped",tier="redis"} 0.0' not in text
        assert duration_s < 5.0
        assert (await predict(replicas[0], 350.0 + 19))["from_cache"] is True
    finally:
        if hurt == "stall":
            own_valkey.resume()


@pytest.mark.parametrize(
    "hostile", [b"[" * 100_000, b"\x00" * 1_000_000, None], ids=["nested", "large", "another type"]
)
async def test_a_redis_that_is_full_or_poisoned_is_no_error(
    bench: Bench, replicas: list[httpx.AsyncClient], own_valkey: Any, hostile: bytes | None
):
    computed = await predict(replicas[0])
    with Redis.from_url(own_valkey.url) as redis:
        async with asyncio.timeout(10.0):
            while not (keys := redis.keys("futago:twin:prediction:*")):
                bench.clock.step(5.0)
                for temp in (350.0, 351.0, 361.5):
                    await predict(replicas[0], temp)
        for key in keys:
            redis.delete(key)
            redis.rpush(key, "1") if hostile is None else redis.set(key, hostile)
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        for temp in (361.5, 352.0, 353.0, 354.0):
            bench.clock.step(5.0)
            answer = await predict(replicas[1], temp)
            assert answer["from_cache"] is False
            if temp == 361.5:
                assert answer["prediction"] == computed["prediction"]
