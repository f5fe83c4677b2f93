"""Limits and floors as Redis keeps them."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.adapters.redis_floors import FLOOR_LIFE_S, RedisFloors
from services.gateway.adapters.redis_gate import RedisCounter
from services.gateway.domain.credentials import LONGEST_MEMORY_S, Stamp
from services.gateway.domain.rate_limit import Limit, decide
from shared.clock import SystemClock
from shared.redis_client import async_client, blocking_client

HOUR_S = 3600


@pytest.fixture
async def counter(redis_url: str):
    redis = async_client(redis_url)
    yield RedisCounter(redis, SystemClock())
    await redis.aclose()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(burst=st.integers(1, 12), asked=st.integers(1, 15))
def test_redis_counts_as_the_arithmetic_says(redis_url: str, burst: int, asked: int):
    # One request refills in an hour: however long the test takes, none does.
    limit = Limit("l", per_hour=1, burst=burst)

    async def count() -> list[tuple[bool, int]]:
        redis = async_client(redis_url)
        await redis.flushall()
        counter = RedisCounter(redis, SystemClock())
        decisions = [(await counter.count("k", limit)).decision for _ in range(asked)]
        await redis.aclose()
        return [(decision.allowed, decision.remaining) for decision in decisions]

    expected, full_at_us = [], None
    for _ in range(asked):
        decision, full_at_us = decide(full_at_us, 0, limit)
        expected.append((decision.allowed, decision.remaining))
    counted = asyncio.run(count())
    assert [allowed for allowed, _ in counted] == [allowed for allowed, _ in expected]
    # What Redis reports is of a moment later: one more may have begun to refill, and never a whole one.
    assert all(0 <= here[1] - there[1] <= 1 for here, there in zip(counted, expected, strict=True))


async def test_requests_at_once_share_one_allowance(counter: RedisCounter):
    limit = Limit("l", per_hour=1, burst=10)
    admissions = await asyncio.gather(*(counter.count("k", limit) for _ in range(40)))
    assert sum(admission.decision.allowed for admission in admissions) == 10


async def test_a_refused_request_is_told_the_wait(counter: RedisCounter):
    limit = Limit("l", per_hour=1, burst=1)
    await counter.count("k", limit)
    decision = (await counter.count("k", limit)).decision
    assert HOUR_S - 5 < decision.retry_after_s <= HOUR_S


async def test_what_is_full_again_leaves_nothing_behind(counter: RedisCounter, redis_url: str):
    await counter.count("k", Limit("l", per_hour=3_600_000, burst=10))
    await asyncio.sleep(0.02)
    with blocking_client(redis_url) as redis:
        assert redis.exists("k") == 0


@pytest.mark.parametrize(("floor", "generation", "stale"), [(1, 0, True), (1, 1, False), (1, 2, False)])
async def test_a_floor_ends_what_lies_below_it_and_counts_nothing(
    counter: RedisCounter, redis_url: str, floor: int, generation: int, stale: bool
):
    redis = async_client(redis_url)
    await RedisFloors(redis).raise_to(Stamp("user:ann", floor), Stamp("session:s", 0))
    stamps = (Stamp("session:s", 0), Stamp("user:ann", generation))
    admission = await counter.count("k", Limit("l", 60, 5), stamps)
    assert (admission.stale, admission.decision is None) == (stale, stale)
    assert await redis.exists("k") == (0 if stale else 1)
    await redis.aclose()


async def test_a_floor_never_sinks_and_outlives_every_memory(redis_url: str):
    redis = async_client(redis_url)
    floors = RedisFloors(redis)
    await floors.raise_to(Stamp("user:ann", 5))
    await floors.raise_to(Stamp("user:ann", 4))
    assert int(await redis.get("futago:floor:user:ann")) == 5
    assert LONGEST_MEMORY_S < await redis.ttl("futago:floor:user:ann") <= FLOOR_LIFE_S
    await redis.aclose()
