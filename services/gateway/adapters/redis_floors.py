"""Floors in Redis: generations below which nothing counts any longer, on any replica."""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.domain.credentials import LONGEST_MEMORY_S, Stamp
from services.gateway.domain.errors import RedisAway

# A floor must outlive every verification that it is to end, with time to spare.
FLOOR_LIFE_S = int(3 * LONGEST_MEMORY_S)
_ATTEMPTS, _PAUSE_S = 3, 0.1
# A floor only ever rises: two changes that cross must not lower it.
_RAISE = """
for i = 1, #KEYS do
  local floor = tonumber(redis.call('GET', KEYS[i]) or -1)
  redis.call('SET', KEYS[i], math.max(floor, tonumber(ARGV[i + 1])), 'EX', ARGV[1])
end
"""


def floor_key(name: str) -> str:
    """Where the floor of a stamp is kept."""
    return f"futago:floor:{name}"


class RedisFloors:
    """Implements `sessions.Floors`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_RAISE)

    async def raise_to(self, *stamps: Stamp) -> None:
        keys = [floor_key(stamp.name) for stamp in stamps]
        arguments = [FLOOR_LIFE_S, *(stamp.generation for stamp in stamps)]
        for attempt in range(_ATTEMPTS):
            try:
                await self._script(keys=keys, args=arguments)
            except RedisError as error:
                # The change itself is made by now: a connection that was lost in this moment is worth another try.
                if attempt == _ATTEMPTS - 1:
                    raise RedisAway from error
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def require_reachable(self) -> None:
        try:
            await self._redis.ping()
        except RedisError as error:
            raise RedisAway from error
