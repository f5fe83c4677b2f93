"""Rate limits in Redis: what all replicas know about a caller, in one round trip."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.adapters.redis_floors import floor_key
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.doorman import Admission
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.rate_limit import Limit, decision_of
from shared.clock import Clock

# The generic cell rate algorithm of `domain/rate_limit.py`, on the clock of Redis, so that the clocks of the replicas
# do not matter. KEYS: the limit, then the floors. ARGV: interval [us], burst, then the generation for each floor.
# Answers: stale, time until full [us], wait [us]. Whole numbers below 2^53, which Lua's doubles hold exactly.
_ADMIT = """
for i = 2, #KEYS do
  local floor = redis.call('GET', KEYS[i])
  if floor and tonumber(floor) > tonumber(ARGV[i + 1]) then return {1, 0, 0} end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval = tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = full + interval
local wait = after - interval * tonumber(ARGV[2]) - now
if wait > 0 then return {0, full - now, wait} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {0, after - now, 0}
"""


class RedisCounter:
    """Counts requests on a limit, and looks at floors on the way."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._clock = clock
        self._script = redis.register_script(_ADMIT)
        # While Redis hangs, one request in half a second waits for it; the others know at once.
        self._breaker = Breaker(failures_to_open=3, open_s=0.5)

    async def count(self, key: str, limit: Limit, stamps: tuple[Stamp, ...] = ()) -> Admission:
        """Count one request, unless a floor has passed one of the stamps.

        Raises
        ------
        RedisAway
            If Redis does not answer.
        """
        if self._breaker.admit(self._clock.monotonic_s()) > 0:
            raise RedisAway
        keys = [key, *(floor_key(stamp.name) for stamp in stamps)]
        arguments = [limit.interval_us, limit.burst, *(stamp.generation for stamp in stamps)]
        try:
            stale, reset_us, wait_us = await self._script(keys=keys, args=arguments)
        except RedisError as error:
            self._breaker.failed(self._clock.monotonic_s())
            raise RedisAway from error
        self._breaker.succeeded()
        if stale:
            return Admission(stale=True, decision=None)
        return Admission(stale=False, decision=decision_of(limit, reset_us=reset_us, wait_us=wait_us))


class RedisGate:
    """Implements `doorman.Gate`."""

    def __init__(self, counter: RedisCounter, limit: Limit) -> None:
        self._counter = counter
        self._limit = limit

    async def admit(self, who: str, stamps: tuple[Stamp, ...]) -> Admission:
        return await self._counter.count(f"futago:limit:{who}", self._limit, stamps)
