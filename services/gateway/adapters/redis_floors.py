"""Announces floors: generations below which nothing counts any longer, on any replica."""

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.domain.credentials import Stamp
from services.gateway.domain.errors import RedisAway

# The history that every process reads: see `floor_watch`. Who falls behind by more than this drops all it remembers.
HISTORY = "futago:floors"
MOST_KEPT = 10_000
_ATTEMPTS, _PAUSE_S = 3, 0.1


def _nobody(_: Stamp) -> None:
    """Nobody in this process needs to hear of it sooner than the others."""


class RedisFloors:
    """Implements `sessions.Floors`.

    Parameters
    ----------
    heard
        Told of each change at once, for the memory of this process.
    """

    def __init__(self, redis: Redis, heard: Callable[[Stamp], None] = _nobody) -> None:
        self._redis = redis
        self._heard = heard

    async def raise_to(self, *stamps: Stamp) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                async with self._redis.pipeline(transaction=True) as pipeline:
                    for stamp in stamps:
                        pipeline.xadd(HISTORY, {"name": stamp.name, "generation": stamp.generation}, maxlen=MOST_KEPT)
                    await pipeline.execute()
            except RedisError as error:
                # The change itself is made by now: a connection that was lost in this moment is worth another try.
                if attempt == _ATTEMPTS - 1:
                    raise RedisAway from error
                await asyncio.sleep(_PAUSE_S)
            else:
                break
        for stamp in stamps:
            self._heard(stamp)

    async def require_reachable(self) -> None:
        try:
            await self._redis.ping()
        except RedisError as error:
            raise RedisAway from error
