"""Accesses to data, written to the audit chain in batches, off the path of the requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter

from services.gateway.domain.audit import Event
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

_GATHER_S = 0.05
_RETRY_S = 1.0
_BATCH = 1000
_CAPACITY = 50_000


class AuditQueue:
    """Takes events at once and writes them within a tenth of a second.

    The queue is bounded: while the database is away for so long that it fills up, the newest accesses are counted
    instead of kept, because a plant that cannot be predicted is worse off than one whose trail has a known gap.

    Parameters
    ----------
    append
        Writes events to the chain; called in a thread.
    """

    def __init__(
        self,
        append: Callable[[Sequence[Event]], None],
        registry: CollectorRegistry,
        *,
        capacity: int = _CAPACITY,
    ) -> None:
        self._append = append
        self._waiting: deque[Event] = deque()
        self._capacity = capacity
        self._closing = False
        self._stirred = asyncio.Event()
        self._dropped = Counter(
            "futago_gateway_audit_dropped", "Accesses that could not be written to the audit trail", registry=registry
        )

    def put(self, event: Event) -> None:
        """Take an event; never waits."""
        if len(self._waiting) >= self._capacity:
            self._dropped.inc()
            return
        self._waiting.append(event)
        self._stirred.set()

    async def run(self) -> None:
        """Write until `close` is called and nothing is left."""
        while self._waiting or not self._closing:
            await self._stirred.wait()
            if not self._closing:
                # A batch is one transaction: what comes in the next moment shares it.
                await asyncio.sleep(_GATHER_S)
                self._stirred.clear()
            while self._waiting:
                if await self._write():
                    continue
                if self._closing:
                    self._give_up()
                else:
                    await asyncio.sleep(_RETRY_S)

    def close(self) -> None:
        """Let `run` write what is left and end."""
        self._closing = True
        self._stirred.set()

    async def _write(self) -> bool:
        batch = list(islice(self._waiting, _BATCH))
        try:
            await to_thread.run_sync(self._append, batch)
        except AppError as error:
            log.warning("audit_delayed", code=error.code, waiting=len(self._waiting))
            return False
        except Exception:
            # Such as a chain that somebody tampered with: what comes in must go on being kept, and somebody must look.
            log.exception("audit_failed", waiting=len(self._waiting))
            return False
        for _ in batch:
            self._waiting.popleft()
        return True

    def _give_up(self) -> None:
        self._dropped.inc(len(self._waiting))
        log.error("audit_lost_at_shutdown", accesses=len(self._waiting))
        self._waiting.clear()
