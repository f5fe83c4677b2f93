"""Attempts to log in, as Redis counts them."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from services.gateway.adapters.login_throttle import RedisLoginThrottle
from services.gateway.domain.errors import RedisAway, TooManyAttempts
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.throttling import GrowingDelay, LoginLimits
from shared.redis_client import async_client

HOME = "198.51.100.7"
# Who tries to log in at the same moment; with 500 of them there are ten thousand attempts.
ATTACKERS = int(os.environ.get("FUTAGO_ATTACKERS", "100"))
DAY_S = 86_400.0
# No wait ends while a test runs.
LIMITS = LoginLimits(
    pair=GrowingDelay(free=3, first_s=100.0, longest_s=500.0, forget_s=DAY_S),
    user=Limit("login", per_hour=1, burst=20),
    newcomers=Limit("login", per_hour=1, burst=600),
    address=Limit("login", per_hour=1, burst=1000),
    code=GrowingDelay(free=5, first_s=60.0, longest_s=3600.0, forget_s=DAY_S),
    known_s=30 * DAY_S,
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = async_client(redis_url, timeout_s=5)
    yield client
    await client.aclose()


@pytest.fixture
def throttle(redis: Redis) -> RedisLoginThrottle:
    return RedisLoginThrottle(redis, LIMITS)


async def wait_s(throttle: RedisLoginThrottle, username: str, address: str) -> float:
    """Try once: 0 if the attempt was let in, else the wait that it was told."""
    try:
        await throttle.admit(username, address)
    except TooManyAttempts as refused:
        return refused.retry_after_s or 0.0
    return 0.0


async def code_wait_s(throttle: RedisLoginThrottle, username: str, address: str) -> float:
    try:
        await throttle.admit_code(username, address)
    except TooManyAttempts as refused:
        return refused.retry_after_s or 0.0
    return 0.0


async def let_time_pass(redis: Redis, pattern: str) -> None:
    """Let every wait of these keys be over."""
    async for key in redis.scan_iter(pattern):
        await redis.hset(key, "t", 0)


async def test_the_wait_doubles_with_each_attempt_up_to_the_longest(throttle: RedisLoginThrottle, redis: Redis):
    assert [await wait_s(throttle, "olga", HOME) for _ in range(3)] == [0, 0, 0]
    waits = []
    for _ in range(5):
        waits.append(await wait_s(throttle, "olga", HOME))
        await let_time_pass(redis, "futago:login:pair:*")
        assert await wait_s(throttle, "olga", HOME) == 0
    # Told in whole seconds, rounded up, a moment after they began.
    assert waits == [pytest.approx(wanted, abs=5) for wanted in (100, 200, 400, 500, 500)]
    assert await wait_s(throttle, "pia", HOME) == 0


async def test_an_attempt_that_is_refused_makes_no_wait_longer(throttle: RedisLoginThrottle):
    waits = [await wait_s(throttle, "olga", HOME) for _ in range(10)]
    assert waits[:3] == [0, 0, 0]
    assert max(waits) <= 100


async def test_a_right_password_begins_anew(throttle: RedisLoginThrottle):
    for _ in range(4):
        assert [await wait_s(throttle, "olga", HOME) for _ in range(3)] == [0, 0, 0]
        await throttle.forgive("olga", HOME)


async def test_attempts_at_once_share_what_is_free(throttle: RedisLoginThrottle):
    waits = await asyncio.gather(*(wait_s(throttle, "olga", HOME) for _ in range(30)))
    assert waits.count(0) == 3


async def test_a_whole_ipv6_network_is_one_address(throttle: RedisLoginThrottle):
    waits = [await wait_s(throttle, "olga", f"2001:db8::{number:x}") for number in range(1, 9)]
    assert waits.count(0) == 3
    assert await wait_s(throttle, "olga", "2001:db8:0:1::1") == 0


async def test_a_guesser_at_one_address_with_many_names_is_stopped(redis: Redis):
    throttle = RedisLoginThrottle(redis, replace(LIMITS, address=Limit("login", per_hour=1, burst=25)))
    waits = [await wait_s(throttle, f"user{number}", HOME) for number in range(40)]
    assert waits.count(0) == 25
    assert waits[-1] > 3500


async def test_thousands_of_attempts_from_many_addresses_keep_nobody_out(throttle: RedisLoginThrottle):
    """The user's own address was never known before: it becomes so at the first login, in the midst of the attack."""
    attackers = [f"203.0.{number // 250}.{number % 250}" for number in range(ATTACKERS)]
    admitted, victim = 0, []
    for round_number in range(20):
        waits = await asyncio.gather(*(wait_s(throttle, "olga", address) for address in attackers))
        admitted += waits.count(0)
        # The usual place, every now and then with a wrong password first.
        victim += [await wait_s(throttle, "olga", HOME) for _ in range(1 + round_number % 2)]
        await throttle.forgive("olga", HOME)
        await throttle.remember("olga", HOME)
    assert victim == [0.0] * 30
    # The first from each address, and what is left for all of them together.
    assert admitted == ATTACKERS + LIMITS.user.burst


async def test_without_any_address_known_few_attackers_do_not_keep_a_newcomer_out(throttle: RedisLoginThrottle):
    for _ in range(50):
        await asyncio.gather(*(wait_s(throttle, "olga", f"203.0.113.{number}") for number in range(20)))
    assert await wait_s(throttle, "olga", HOME) == 0


async def test_codes_are_five_for_all_strangers_together_and_five_for_a_known_address(throttle: RedisLoginThrottle):
    strangers = await asyncio.gather(*(code_wait_s(throttle, "olga", f"203.0.113.{number}") for number in range(40)))
    assert strangers.count(0) == 5
    assert max(strangers) == 60
    await throttle.remember("olga", HOME)
    known = [await code_wait_s(throttle, "olga", HOME) for _ in range(6)]
    assert known[:5] == [0.0] * 5
    assert 55 <= known[5] <= 60


async def test_a_right_code_does_not_give_strangers_another_five(throttle: RedisLoginThrottle):
    for number in range(5):
        assert await code_wait_s(throttle, "olga", f"203.0.113.{number}") == 0
    await throttle.forgive("olga", HOME)
    await throttle.remember("olga", HOME)
    assert await code_wait_s(throttle, "olga", "203.0.113.9") > 0
    assert await code_wait_s(throttle, "olga", HOME) == 0


async def test_what_is_kept_names_nobody_and_ends(throttle: RedisLoginThrottle, redis: Redis):
    await throttle.admit("a password in the wrong field", HOME)
    await throttle.admit_code("olga", HOME)
    await throttle.remember("olga", HOME)
    keys = [key.decode() async for key in redis.scan_iter("futago:login:*")]
    assert len(keys) >= 4
    assert not any("password" in key or "olga" in key or HOME in key for key in keys)
    assert min([await redis.ttl(key) for key in keys]) > 0


async def test_without_redis_nobody_is_let_in():
    throttle = RedisLoginThrottle(async_client("redis://127.0.0.1:1/0"), LIMITS)
    for attempt in (
        throttle.admit("olga", HOME),
        throttle.admit_code("olga", HOME),
        throttle.forgive("olga", HOME),
        throttle.remember("olga", HOME),
    ):
        with pytest.raises(RedisAway):
            await attempt
