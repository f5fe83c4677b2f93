"""Accesses to data, taken at once and handed on in batches, off the path of the requests."""

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter

from services.gateway.domain.audit import Event
from services.gateway.domain.audit_batches import Batch, gap
from services.gateway.domain.audit_repeats import Repeats
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

# What a process that is killed can lose.
_GATHER_S = 0.05
_RETRY_S = 1.0
_LOOK_S = 5.0
_BATCH = 500
_CAPACITY = 50_000


class AuditQueue:
    """Takes events at once and hands them on within a tenth of a second.

    The queue is bounded: while nobody takes its batches for so long that it fills up, the newest accesses are counted
    instead of kept, because a plant that cannot be predicted is worse off than one whose trail has a known gap. The
    gap becomes an entry of the trail, in its place, as soon as there is room again.

    Parameters
    ----------
    deliver
        Puts a batch where the death of this process does not matter. A batch that it could not deliver comes again
        under the same name.
    """

    def __init__(
        self,
        deliver: Callable[[Batch], Awaitable[None]],
        clock: Clock,
        registry: CollectorRegistry,
        *,
        capacity: int = _CAPACITY,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._waiting: deque[Event] = deque()
        self._batch: Batch | None = None
        self._repeats = Repeats()
        # How many were lost, the first and the last moment of it.
        self._gap: tuple[int, datetime, datetime] | None = None
        self._capacity = capacity
        self._closing = False
        self._stirred = asyncio.Event()
        self._dropped = Counter(
            "futago_gateway_audit_dropped", "Accesses that could not be written to the audit trail", registry=registry
        )

    def put(self, event: Event) -> None:
        """Take an event; never waits."""
        if self._repeats.swallow(event):
            return
        if len(self._waiting) >= self._capacity:
            self._lose(event)
            return
        self._tell_gap()
        self._waiting.append(event)
        self._stirred.set()

    async def run(self) -> None:
        """Hand on until `close` is called and nothing is left."""
        while not self._closing:
            try:
                await asyncio.wait_for(self._stirred.wait(), _LOOK_S)
            except TimeoutError:
                self._waiting.extend(self._repeats.ended(self._clock.now()))
            if not self._closing:
                # A batch is one transaction: what comes in the next moment shares it.
                await asyncio.sleep(_GATHER_S)
                self._stirred.clear()
                await self._hand_on()
        self._waiting.extend(self._repeats.all())
        await self._hand_on()

    def close(self) -> None:
        """Let `run` hand on what is left and end."""
        self._closing = True
        self._stirred.set()

    async def _hand_on(self) -> None:
        self._waiting.extend(self._repeats.ended(self._clock.now()))
        while self._waiting or self._batch is not None or self._gap is not None:
            if await self._hand_on_batch():
                if len(self._waiting) < _BATCH and not self._closing:
                    # What came meanwhile gathers first: without that, every few accesses would be a batch. What was
                    # there already, and too much for one, waits no longer than that either.
                    if self._waiting:
                        self._stirred.set()
                    return
            elif self._closing:
                self._give_up()
            else:
                await asyncio.sleep(_RETRY_S)

    async def _hand_on_batch(self) -> bool:
        if self._batch is None:
            self._tell_gap()
            events = tuple(self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting))))
            self._batch = Batch(uuid.uuid4().hex, events)
        try:
            await self._deliver(self._batch)
        except AppError as error:
            log.warning("audit_delayed", code=error.code, waiting=len(self._waiting))
            return False
        except Exception:
            # What comes in must go on being kept, and somebody must look.
            log.exception("audit_failed", waiting=len(self._waiting))
            return False
        self._batch = None
        return True

    def _lose(self, event: Event) -> None:
        self._dropped.inc()
        lost, since, _ = self._gap or (0, event.at, event.at)
        self._gap = lost + 1, since, event.at

    def _tell_gap(self) -> None:
        # Behind what was waiting when the queue was full, before what came later: where the gap is.
        if self._gap is not None:
            self._waiting.append(gap(*self._gap))
            self._gap = None

    def _give_up(self) -> None:
        left = len(self._waiting) + (0 if self._batch is None else len(self._batch.events))
        self._dropped.inc(left)
        log.error("audit_lost_at_shutdown", accesses=left)
        self._waiting.clear()
        self._batch = self._gap = None
