"""Announces floors: generations below which nothing counts any longer, on any replica."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.domain.credentials import Stamp
from services.gateway.domain.errors import RedisAway

# The history that every process reads: see `floor_watch`. Who falls behind by more than this drops all it remembers.
HISTORY = "futago:floors"
MOST_KEPT = 10_000
_ATTEMPTS, _PAUSE_S = 3, 0.1
_OWED_EVERY_S = 0.25


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
        # What the others could not be told: the change itself is made, and nobody else will announce it.
        self._owed: dict[str, Stamp] = {}

    async def raise_to(self, *stamps: Stamp) -> None:
        for stamp in stamps:
            self._heard(stamp)
        for attempt in range(_ATTEMPTS):
            try:
                await self._announce(stamps)
            except RedisError as error:
                # The change itself is made by now: a connection that was lost in this moment is worth another try.
                if attempt == _ATTEMPTS - 1:
                    self._owed |= {stamp.name: stamp for stamp in stamps}
                    raise RedisAway from error
                await asyncio.sleep(_PAUSE_S)
            else:
                break

    async def run(self) -> None:
        """Announce what could not be, as soon as Redis answers; for ever."""
        while True:
            await asyncio.sleep(_OWED_EVERY_S)
            if owed := tuple(self._owed.values()):
                with suppress(RedisError):
                    await self._announce(owed)
                    self._owed = {name: stamp for name, stamp in self._owed.items() if stamp not in owed}

    async def require_reachable(self) -> None:
        try:
            await self._redis.ping()
        except RedisError as error:
            raise RedisAway from error

    async def _announce(self, stamps: Sequence[Stamp]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for stamp in stamps:
                pipeline.xadd(HISTORY, {"name": stamp.name, "generation": stamp.generation}, maxlen=MOST_KEPT)
            await pipeline.execute()
