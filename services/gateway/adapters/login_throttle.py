"""Counts attempts to log in, in Redis: each decision is one script, so that attempts at once cannot slip past it."""

import hashlib
import math

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.domain.errors import RedisAway, TooManyAttempts
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.throttling import GrowingDelay, LoginLimits, counted_address

# Times in whole microseconds on the clock of Redis. A delay is a hash of `n`, the attempts in a row, and `t`, when the
# next is let in; an attempt counts as soon as it is let in, and is taken back when it was right.
_PARTS = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function delay_wait(key)
  return tonumber(redis.call('HGET', key, 't') or 0) - now
end

local function delay_count(key, free, first, longest, forget_ms)
  local n = redis.call('HINCRBY', key, 'n', 1)
  local wait = 0
  if n >= free then wait = math.min(longest, first * 2 ^ math.min(n - free, 60)) end
  redis.call('HSET', key, 't', string.format('%.0f', now + wait))
  redis.call('PEXPIRE', key, forget_ms)
end

-- The generic cell rate algorithm of `domain/rate_limit.py`: what the next attempt would leave, and its wait.
local function cell(key, interval, burst)
  local after = math.max(tonumber(redis.call('GET', key) or now), now) + interval
  return after, after - interval * burst - now
end

local function cell_count(key, after)
  redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
end
"""
# KEYS: address, pair, known, newcomers, user. ARGV: the pair's delay, then interval and burst of the address, of
# newcomers and of the user. Answers with the wait; nothing is counted unless everything lets the attempt in.
_ADMIT = f"""{_PARTS}
local a = {{}}
for i = 1, #ARGV do a[i] = tonumber(ARGV[i]) end
local address_after, address_wait = cell(KEYS[1], a[5], a[6])
local wait = math.max(address_wait, delay_wait(KEYS[2]))
local pool, pool_after
if redis.call('EXISTS', KEYS[3]) == 0 then
  local pool_wait
  if redis.call('EXISTS', KEYS[2]) == 0 then
    pool = KEYS[4]
    pool_after, pool_wait = cell(pool, a[7], a[8])
  else
    pool = KEYS[5]
    pool_after, pool_wait = cell(pool, a[9], a[10])
  end
  wait = math.max(wait, pool_wait)
end
if wait > 0 then return wait end
cell_count(KEYS[1], address_after)
delay_count(KEYS[2], a[1], a[2], a[3], a[4])
if pool then cell_count(pool, pool_after) end
return 0
"""
# KEYS: known, the pair's delay, the delay that unknown addresses share. ARGV: the delay.
_ADMIT_CODE = f"""{_PARTS}
local key = KEYS[3]
if redis.call('EXISTS', KEYS[1]) == 1 then key = KEYS[2] end
local wait = delay_wait(key)
if wait > 0 then return wait end
delay_count(key, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
return 0
"""


class RedisLoginThrottle:
    """Implements `proofs.LoginThrottle`."""

    def __init__(self, redis: Redis, limits: LoginLimits) -> None:
        self._redis = redis
        self._limits = limits
        self._admit = redis.register_script(_ADMIT)
        self._admit_code = redis.register_script(_ADMIT_CODE)

    async def admit(self, username: str, address: str) -> None:
        limits, user, pair = self._limits, _digest(username), _pair(username, address)
        keys = [
            f"futago:login:address:{_digest(counted_address(address))}",
            f"futago:login:pair:{pair}",
            f"futago:login:known:{pair}",
            f"futago:login:newcomers:{user}",
            f"futago:login:user:{user}",
        ]
        cells = [*_cell(limits.address), *_cell(limits.newcomers), *_cell(limits.user)]
        try:
            wait_us = await self._admit(keys=keys, args=[*_delay(limits.pair), *cells])
        except RedisError as error:
            raise RedisAway from error
        _check(wait_us)

    async def admit_code(self, username: str, address: str) -> None:
        pair = _pair(username, address)
        keys = [f"futago:login:known:{pair}", f"futago:login:code:{pair}", f"futago:login:codes:{_digest(username)}"]
        try:
            wait_us = await self._admit_code(keys=keys, args=_delay(self._limits.code))
        except RedisError as error:
            raise RedisAway from error
        _check(wait_us)

    async def forgive(self, username: str, address: str) -> None:
        pair = _pair(username, address)
        try:
            await self._redis.delete(f"futago:login:pair:{pair}", f"futago:login:code:{pair}")
        except RedisError as error:
            raise RedisAway from error

    async def remember(self, username: str, address: str) -> None:
        known = f"futago:login:known:{_pair(username, address)}"
        try:
            await self._redis.set(known, 1, ex=math.ceil(self._limits.known_s))
        except RedisError as error:
            raise RedisAway from error


def _check(wait_us: int) -> None:
    if wait_us > 0:
        # Rounded up: whoever comes back when told to is let in.
        raise TooManyAttempts(float(math.ceil(wait_us / 1e6)))


def _delay(delay: GrowingDelay) -> list[int]:
    return [delay.free, int(delay.first_s * 1e6), int(delay.longest_s * 1e6), int(delay.forget_s * 1e3)]


def _cell(limit: Limit) -> tuple[int, int]:
    return limit.interval_us, limit.burst


def _pair(username: str, address: str) -> str:
    return f"{_digest(username)}:{_digest(counted_address(address))}"


def _digest(text: str) -> str:
    # Names that were tried can be anything, passwords in the wrong field included: they are not kept.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
