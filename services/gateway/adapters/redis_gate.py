"""Rate limits in Redis: what all replicas know about a caller, in one round trip."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.doorman import Admission, Charge
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.floors import FRESH_S, KnownFloors
from services.gateway.domain.leases import LIFE_S, SHARE_OF_LEFT, Leases
from services.gateway.domain.rate_limit import HOUR_US, Decision
from shared.clock import Clock

# The arithmetic of `domain/rate_limit.py`, on the clock of Redis, so that the clocks of the replicas do not matter.
# KEYS: for each limit, the time at which it is full again with the interval that this is reckoned in, and the list of
# the moments that were counted.
# ARGV: an hour, a lease's life [us], one of how many of what is left is lent, then for each limit: interval [us], how
# many at once, how many an hour where they are counted (else 0), how many are asked for on loan.
# Nothing is counted unless every limit has room. Answers: how many were lent, then for each limit the time until it is
# full [us], the wait [us], what is left. Whole numbers below 2^53, which Lua's doubles hold exactly.
_COUNT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local hour, life, share = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local answer, fulls, refused, lent = {0}, {}, false, 0
for i = 1, #KEYS / 2 do
  local cell, moments, a = KEYS[2 * i - 1], KEYS[2 * i], 4 * i
  local interval, burst, most = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local kept, pace = string.match(redis.call('GET', cell) or '', '^(%d+) (%d+)$')
  local used_up = math.max(0, (tonumber(kept) or now) - now)
  -- A limit that was changed since: what was used of the old one is used of the new one too.
  if kept and tonumber(pace) ~= interval then used_up = math.ceil(used_up / tonumber(pace) * interval) end
  -- More than there can be: the clock was set back. Nobody waits longer for that than a refill takes to refill.
  local full = now + math.min(used_up, interval * burst)
  local wait = math.max(0, full + interval * (1 - burst) - now)
  local reset, left = full - now, math.floor((interval * burst - (full - now)) / interval)
  if most > 0 then
    local newest = tonumber(redis.call('LINDEX', moments, -1))
    if newest and newest > now + 60000000 then
      -- The clock was set back: when they were is not known any longer, that they were is.
      local used = redis.call('LLEN', moments)
      redis.call('DEL', moments)
      for _ = 1, used do redis.call('RPUSH', moments, string.format('%.0f', now)) end
      redis.call('PEXPIRE', moments, math.ceil(hour / 1000) + 1)
    end
    local oldest = tonumber(redis.call('LINDEX', moments, 0))
    while oldest and oldest < now - hour do
      redis.call('LPOP', moments)
      oldest = tonumber(redis.call('LINDEX', moments, 0))
    end
    local used = redis.call('LLEN', moments)
    left = math.min(left, most - used)
    if used >= most then
      -- Of a limit that was lowered there may be more than it allows: all of those have to be over.
      wait = math.max(wait, tonumber(redis.call('LINDEX', moments, used - most)) + hour - now + 1)
    end
    if used > 0 and burst >= most then reset = tonumber(redis.call('LINDEX', moments, -1)) + hour - now end
  end
  if wait > 0 then refused, left = true, 0 end
  fulls[i] = full
  answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = reset, wait, left
end
if refused then return answer end
for i = 1, #KEYS / 2 do
  local cell, moments, a = KEYS[2 * i - 1], KEYS[2 * i], 4 * i
  local interval, burst, most = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local full, left = fulls[i], answer[3 * i + 1]
  -- What is lent is charged as if it were used at the end of the loan.
  local base = math.max(full, now + life)
  local lend = math.min(tonumber(ARGV[a + 3]), math.floor(left / share), math.floor(life / interval),
    math.floor((interval * burst - (base - now)) / interval) - 1)
  if lend > 0 then full, lent = base, lend else lend = 0 end
  local after = full + interval * (1 + lend)
  redis.call('SET', cell, string.format('%.0f %.0f', after, interval), 'PX', math.ceil((after - now) / 1000))
  answer[3 * i - 1] = after - now
  answer[3 * i + 1] = math.floor((interval * burst - (after - now)) / interval)
  if most > 0 then
    local used = redis.call('RPUSH', moments, string.format('%.0f', now))
    redis.call('PEXPIRE', moments, math.ceil(hour / 1000) + 1)
    if burst >= most then answer[3 * i - 1] = hour end
    answer[3 * i + 1] = math.min(answer[3 * i + 1], most - used)
  end
end
answer[1] = lent
return answer
"""


# For a loan that others use up; who still has none then asks for itself.
_MOST_WAITS = 3


class RedisCounter:
    """Counts requests on limits."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._clock = clock
        self._script = redis.register_script(_COUNT)
        # While Redis hangs, one request in half a second waits for it; the others know at once.
        self._breaker = Breaker(failures_to_open=3, open_s=0.5)

    async def count(self, charges: Sequence[Charge], *, lend: int = 0) -> tuple[list[Decision], int]:
        """Count one request on all of the limits, or on none if one of them has no room.

        Parameters
        ----------
        lend
            Further requests that are asked for on loan, of a single limit.

        Returns
        -------
        What each limit says, and how many were lent.

        Raises
        ------
        RedisAway
            If Redis does not answer.
        """
        if self._breaker.admit(self._clock.monotonic_s()) > 0:
            raise RedisAway
        keys: list[str] = []
        arguments = [HOUR_US, int(LIFE_S * 1e6), SHARE_OF_LEFT]
        for who, limit in charges:
            keys += (f"futago:limit:{who}", f"futago:limit:{who}:hour")
            arguments += (limit.interval_us, limit.at_once, limit.per_hour if limit.is_counted else 0, lend)
        try:
            lent, *figures = await self._script(keys=keys, args=arguments)
        except RedisError as error:
            self._breaker.failed(self._clock.monotonic_s())
            raise RedisAway from error
        self._breaker.succeeded()
        decisions = [
            Decision(allowed=wait_us == 0, remaining=left, retry_after_s=wait_us / 1e6, reset_after_s=reset_us / 1e6)
            for reset_us, wait_us, left in zip(figures[::3], figures[1::3], figures[2::3], strict=True)
        ]
        return decisions, lent


class RedisGate:
    """Implements `doorman.Gate`."""

    def __init__(
        self, counter: RedisCounter, leases: Leases, known: KnownFloors, watch: FloorWatch, clock: Clock
    ) -> None:
        self._counter = counter
        self._leases = leases
        self._known = known
        self._watch = watch
        self._clock = clock
        # Callers for whom a loan is on its way: their other requests wait for it, in place of asking too.
        self._asked: dict[str, asyncio.Event] = {}

    @property
    def era(self) -> int:
        return self._known.era

    def admit_at_once(self, charge: Charge, stamps: tuple[Stamp, ...]) -> Decision | None:
        now_s = self._clock.monotonic_s()
        if self._known.age_s(now_s) > FRESH_S or self._known.ended(stamps):
            return None
        return self._leases.take(charge.who, charge.limit, now_s)

    async def admit(self, charges: Sequence[Charge], stamps: tuple[Stamp, ...], *, at_this_moment: bool) -> Admission:
        if stamps and (at_this_moment or self._known.age_s(self._clock.monotonic_s()) > FRESH_S):
            await self._watch.read_now()
        if self._known.ended(stamps):
            return Admission(stale=True, decisions=())
        if len(charges) > 1:
            # Only a single limit lends: of two, what one of them lends may be more than the other has.
            decisions, _ = await self._counter.count(charges)
            return Admission(stale=False, decisions=tuple(decisions))
        return Admission(stale=False, decisions=(await self._count(charges[0]),))

    async def _count(self, charge: Charge) -> Decision:
        who, limit = charge.who, charge.limit
        for _ in range(_MOST_WAITS):
            if (asked := self._asked.get(who)) is None:
                break
            await asked.wait()
            if (decision := self._leases.take(who, limit, self._clock.monotonic_s())) is not None:
                return decision
        asked_at_s = self._clock.monotonic_s()
        lend = 0 if who in self._asked else self._leases.wanted(who, limit, asked_at_s)
        if not lend:
            return await self._ask(charge, 0, asked_at_s)
        self._asked[who] = asyncio.Event()
        try:
            return await self._ask(charge, lend, asked_at_s)
        finally:
            self._asked.pop(who).set()

    async def _ask(self, charge: Charge, lend: int, asked_at_s: float) -> Decision:
        (decision,), lent = await self._counter.count([charge], lend=lend)
        self._leases.keep(charge.who, charge.limit, lent, decision, asked_at_s)
        return decision
