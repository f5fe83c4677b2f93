"""Limits as Redis keeps them, and the loans that the replicas take from them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.adapters import redis_gate
from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.adapters.redis_gate import RedisCounter, RedisGate
from services.gateway.domain.doorman import Charge
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.floors import KnownFloors
from services.gateway.domain.leases import LARGEST, LIFE_S, Leases
from services.gateway.domain.rate_limit import Decision, Limit, decide
from shared.clock import SystemClock
from shared.redis_client import async_client, blocking_client
from tests.integration.conftest import Valkey

HOUR_S = 3600


@pytest.fixture
async def counter(redis_url: str) -> AsyncIterator[RedisCounter]:
    redis = async_client(redis_url, timeout_s=5)
    yield RedisCounter(redis, SystemClock())
    await redis.aclose()


async def count(counter: RedisCounter, limit: Limit, who: str = "k") -> Decision:
    ((decision,), _) = await counter.count([Charge(who, limit)])
    return decision


@asynccontextmanager
async def gate_of(url: str) -> AsyncIterator[RedisGate]:
    """The gate of one replica."""
    redis, clock = async_client(url), SystemClock()
    known = KnownFloors(lambda: None)
    watch = FloorWatch(async_client(url), known, clock)
    await watch.read_now()
    yield RedisGate(RedisCounter(redis, clock), Leases(), known, watch, clock)
    await watch._redis.aclose()
    await redis.aclose()


async def admit(gate: RedisGate, charge: Charge) -> Decision:
    if (decision := gate.admit_at_once(charge, ())) is not None:
        return decision
    return (await gate.admit((charge,), (), at_this_moment=False)).decisions[0]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(burst=st.integers(1, 12), asked=st.integers(1, 15))
def test_redis_counts_as_the_arithmetic_says(redis_url: str, burst: int, asked: int):
    # One request refills in four minutes: however long the test takes, none does.
    limit = Limit("l", per_hour=15, burst=burst)

    async def decisions() -> list[tuple[bool, int]]:
        redis = async_client(redis_url, timeout_s=5)
        await redis.flushall()
        counted = [await count(RedisCounter(redis, SystemClock()), limit) for _ in range(asked)]
        await redis.aclose()
        return [(decision.allowed, decision.remaining) for decision in counted]

    expected, full_at_us = [], None
    for _ in range(asked):
        decision, full_at_us = decide(full_at_us, 0, limit)
        expected.append((decision.allowed, decision.remaining))
    counted = asyncio.run(decisions())
    assert [allowed for allowed, _ in counted] == [allowed for allowed, _ in expected]
    # What Redis reports is of a moment later: one more may have begun to refill, and never a whole one.
    assert all(0 <= here[1] - there[1] <= 1 for here, there in zip(counted, expected, strict=True))


async def test_requests_at_once_share_one_allowance(counter: RedisCounter):
    limit = Limit("l", per_hour=20, burst=10)
    decisions = await asyncio.gather(*(count(counter, limit) for _ in range(15)))
    assert sum(decision.allowed for decision in decisions) == 10


async def test_a_refused_request_is_told_the_wait(counter: RedisCounter):
    limit = Limit("l", per_hour=1, burst=1)
    await count(counter, limit)
    assert HOUR_S - 5 < (await count(counter, limit)).retry_after_s <= HOUR_S + 1


async def test_what_is_full_again_leaves_nothing_behind(counter: RedisCounter, redis_url: str):
    await count(counter, Limit("l", per_hour=3_600_000, burst=10))
    await asyncio.sleep(0.02)
    with blocking_client(redis_url) as redis:
        assert redis.keys("futago:limit:*") == []


async def test_a_hundred_an_hour_are_a_hundred_on_three_replicas_in_any_order(redis_url: str):
    charge = Charge("user:ann", Limit("caller", per_hour=100, burst=2_000))
    async with gate_of(redis_url) as first, gate_of(redis_url) as second, gate_of(redis_url) as third:
        gates = (first, second, third)
        decisions = []
        for _ in range(13):
            decisions += await asyncio.gather(*(admit(gates[number % 3], charge) for number in range(10)))
        alone = [await admit(first, charge) for _ in range(3)]
    assert sum(decision.allowed for decision in decisions) == 100
    assert min(decision.remaining for decision in decisions if decision.allowed) == 0
    assert not any(decision.allowed for decision in alone)
    assert HOUR_S - 10 < alone[0].retry_after_s <= HOUR_S + 1


async def test_the_window_slides_by_single_requests(counter: RedisCounter, monkeypatch: pytest.MonkeyPatch):
    # An hour of half a second: what was let in at its beginning makes room when it is over, and nothing else does.
    hour_s = 0.5
    monkeypatch.setattr(redis_gate, "HOUR_US", int(hour_s * 1e6))
    limit = Limit("l", per_hour=3, burst=1_000)
    let_in: list[tuple[float, float]] = []
    for _ in range(400):
        if len(let_in) == 9:
            break
        asked_s = time.monotonic()
        decision = await count(counter, limit)
        if decision.allowed:
            let_in.append((asked_s, time.monotonic()))
        await asyncio.sleep(0.01)
    assert len(let_in) == 9
    # Of four in a row, the last was answered more than an hour after the first was asked for, and not much more.
    spans_s = [fourth[1] - first[0] for first, fourth in zip(let_in, let_in[3:], strict=False)]
    assert all(span_s > hour_s for span_s in spans_s)
    assert min(spans_s) < hour_s + 0.3


async def test_two_limits_count_together_or_not_at_all(counter: RedisCounter):
    wide, narrow = Charge("w", Limit("wide", 100, 100)), Charge("n", Limit("narrow", 2, 2))
    for _ in range(5):
        decisions, _ = await counter.count([wide, narrow])
    assert [decision.allowed for decision in decisions] == [True, False]
    assert (await count(counter, wide.limit, "w")).remaining == 97


async def test_a_clock_that_was_set_back_locks_nobody_out_for_so_long(counter: RedisCounter, redis_url: str):
    # The clock of Redis cannot be set, but what it wrote down can: a day ahead.
    with blocking_client(redis_url) as redis:
        redis.set("futago:limit:k", f"{(time.time() + 24 * HOUR_S) * 1e6:.0f} 100000")
    assert (await count(counter, Limit("l", per_hour=36_000, burst=10))).retry_after_s < 0.5


async def test_a_clock_that_was_set_back_by_a_day_costs_an_hour_at_most(counter: RedisCounter, redis_url: str):
    limit = Limit("l", per_hour=3, burst=1_000)
    with blocking_client(redis_url) as redis:
        redis.rpush("futago:limit:k:hour", *[int((time.time() + 24 * HOUR_S) * 1e6)] * 2)
        # What was used stays used.
        assert [(await count(counter, limit)).allowed for _ in range(2)] == [True, False]
        assert (await count(counter, limit)).retry_after_s <= HOUR_S + 1
        assert 0 < redis.ttl("futago:limit:k:hour") <= HOUR_S + 1


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [((100, 10), (10, 10), 3), ((36_000, 100), (10, 10), 3), ((10, 10), (36_000, 100), 93), ((10, 10), (10, 5), 0)],
)
async def test_what_was_used_of_a_limit_counts_on_the_one_it_is_changed_to(
    counter: RedisCounter, before: tuple[int, int], after: tuple[int, int], left: int
):
    # Changing it to and fro would otherwise be worth an allowance each time.
    for _ in range(6):
        await count(counter, Limit("key", *before))
    decision = await count(counter, Limit("key", *after))
    assert (decision.allowed, decision.remaining) == (left > 0, pytest.approx(left, abs=1))


async def test_a_limit_that_was_lowered_waits_until_no_more_than_it_were_let_in(counter: RedisCounter, redis_url: str):
    with blocking_client(redis_url) as redis:
        redis.rpush("futago:limit:k:hour", *[int((time.time() - minute * 60) * 1e6) for minute in (50, 40, 30, 20)])
    decision = await count(counter, Limit("l", per_hour=2, burst=1_000))
    assert not decision.allowed
    assert decision.retry_after_s == pytest.approx(30 * 60, abs=10)


async def test_a_caller_who_comes_often_is_lent_some_and_nobody_gets_more_than_the_limit(redis_url: str):
    # A thousand at once; one refills in 36 ms, so that loans are few.
    limit = Limit("caller", per_hour=101_000, burst=1_000)
    charge = Charge("user:ann", limit)
    async with gate_of(redis_url) as first, gate_of(redis_url) as second:
        started_s = time.monotonic()
        decisions = [await admit(gate, charge) for _ in range(700) for gate in (first, second)]
        took_s = time.monotonic() - started_s
    allowed = sum(decision.allowed for decision in decisions)
    assert allowed <= 1_000 + took_s * 1e6 / limit.interval_us
    # What lies idle on one replica is a few requests for a fraction of a second, and is not lost for longer.
    assert allowed >= 1_000 - 2 * LIFE_S * 1e6 / limit.interval_us - 2


async def test_loans_save_most_round_trips_of_a_busy_caller(redis_url: str):
    charge, requests = Charge("user:ann", Limit("caller", per_hour=3_600_000_000, burst=1_000_000)), 3_200
    async with gate_of(redis_url) as gate:
        with blocking_client(redis_url) as redis:
            redis.config_resetstat()
            for _ in range(requests // 32):
                decisions = await asyncio.gather(*(admit(gate, charge) for _ in range(32)))
                assert all(decision.allowed for decision in decisions)
            asked = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    # At first nothing is lent, and then little.
    assert asked < 100 + requests / LARGEST


async def test_a_loan_ends_with_the_replica_that_took_it(redis_url: str):
    limit = Limit("caller", per_hour=360_000, burst=2_000)
    charge = Charge("user:ann", limit)
    async with gate_of(redis_url) as dying:
        for _ in range(40):
            await admit(dying, charge)
    await asyncio.sleep(2 * LIFE_S)
    async with gate_of(redis_url) as other:
        assert (await admit(other, charge)).remaining >= 2_000 - 40


async def test_who_was_refused_is_refused_without_asking_until_the_wait_is_over(own_valkey: Valkey):
    charge = Charge("user:ann", Limit("caller", per_hour=100, burst=1))
    async with gate_of(own_valkey.url) as gate:
        assert (await admit(gate, charge)).allowed
        assert not (await admit(gate, charge)).allowed
        own_valkey.stop()
        refused = await admit(gate, charge)
        assert not refused.allowed
        assert 30 < refused.retry_after_s <= 36
        with pytest.raises(RedisAway):
            await admit(gate, Charge("user:bob", charge.limit))
