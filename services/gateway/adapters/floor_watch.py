"""Reads the history of floors twice a second, over one connection of its own.

The history is a Redis stream. A reading starts at the last entry that this process knows, and has to find it there:
if Redis came back empty, was restored from an older copy, or has cut the history off meanwhile, it does not, and
something may have been missed. A server that lost the last second before a crash can still hold that entry; but then
the connection broke, so each connection gets a name of its own, and a reading over one without that name counts as a
gap too. Closing a gap costs one look into the database for each caller; leaving it open could let in somebody who was
locked out.

Nothing depends on a message that is pushed: a lost connection is a reading that fails, and readings that fail make
what is remembered too old to count. Times are those of the process's monotonic clock; clocks that are set do not
matter.
"""

import asyncio
import uuid
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.adapters.redis_floors import HISTORY, MOST_KEPT
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.floors import KnownFloors
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

_EVERY_S = 0.5
# While Redis is away, one request in this time waits for it; the others know at once. A single reading that took too
# long says little: a process that was held up for a moment itself finds all its answers too late.
_AWAY_AFTER, _PAUSE_S = 3, 0.5
_NOBODY = ""

_Entry = tuple[bytes, dict[bytes, bytes]]


class FloorWatch:
    """Keeps the known floors of this process up to date.

    Parameters
    ----------
    redis
        A client that nobody else uses: its one connection is how a gap is told.
    """

    def __init__(self, redis: Redis, known: KnownFloors, clock: Clock) -> None:
        self._redis = redis
        self._known = known
        self._clock = clock
        self._position: bytes | None = None
        self._connection: str | None = None
        self._reading: asyncio.Task[None] | None = None
        self._read_from_s = float("-inf")
        self._breaker = Breaker(failures_to_open=_AWAY_AFTER, open_s=_PAUSE_S)

    async def run(self) -> None:
        """Read for ever."""
        while True:
            try:
                await self.read_now()
            except RedisAway:
                log.warning("floors_unread", age_s=round(self._known.age_s(self._clock.monotonic_s()), 1))
            await asyncio.sleep(_EVERY_S)

    async def read_now(self) -> None:
        """Hear of everything up to this moment; callers at the same time share a reading.

        Raises
        ------
        RedisAway
            If Redis does not answer, or did not a moment ago.
        """
        asked_at_s = self._clock.monotonic_s()
        while self._read_from_s < asked_at_s:
            # One that has just ended is not awaited again: that would give the event loop no turn, and so never let
            # `_have_read` take it away.
            if self._reading is None or self._reading.done():
                if self._breaker.admit(self._clock.monotonic_s()) > 0:
                    raise RedisAway
                self._reading = asyncio.create_task(self._read())
                self._reading.add_done_callback(self._have_read)
            # Shielded: a caller who leaves must not take the reading of the others along.
            await asyncio.shield(self._reading)

    def _have_read(self, reading: asyncio.Task[None]) -> None:
        if self._reading is reading:
            self._reading = None
        if not reading.cancelled():
            reading.exception()

    async def _read(self) -> None:
        began_at_s = self._clock.monotonic_s()
        try:
            await self._follow(began_at_s)
        except RedisError as error:
            self._breaker.failed(self._clock.monotonic_s())
            raise RedisAway from error
        self._breaker.succeeded()
        self._known.have_read(began_at_s)
        self._read_from_s = began_at_s

    async def _follow(self, began_at_s: float) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.client_getname()
            pipeline.xrange(HISTORY, min=self._position or b"+")
            connection, answered = await pipeline.execute()
        entries = cast("list[_Entry]", answered)
        if not entries or entries[0][0] != self._position or connection != self._connection:
            await self._begin_anew()
            return
        for position, fields in entries[1:]:
            if name := fields[b"name"].decode():
                self._known.raise_to(Stamp(name, int(fields[b"generation"])), began_at_s)
            self._position = position

    async def _begin_anew(self) -> None:
        connection = uuid.uuid4().hex
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.client_setname(connection)
            # An entry of our own, so that there is one to find again. Whatever came before it is in the database.
            pipeline.xadd(HISTORY, {"name": _NOBODY, "generation": 0}, maxlen=MOST_KEPT)
            _, position = await pipeline.execute()
        self._position, self._connection = position, connection
        self._known.have_missed()
        log.info("floors_begun_anew")
