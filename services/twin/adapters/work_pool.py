"""Threads for models and batches that would hold up the event loop, with a bound on what may wait and what may hang."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.twin.adapters.daemon_threads import DaemonThreads
from services.twin.domain.serving import PoolFull, StillBusy

T = TypeVar("T")

# A call that hangs keeps its thread, and a spare one takes its place among those that work; a pool whose spare threads
# hang too is broken, and says so.
_SPARE_THREADS = 8


class BoundedPool:
    """Implements `serving.WorkPool`.

    A thread cannot be interrupted. So a call whose caller gave up runs on and is counted as overdue; until it ends,
    others of its owner are refused at once, and calls of others get a spare thread.

    Parameters
    ----------
    threads
        How many calls run at once, those that are overdue left aside.
    waiting_limit
        How many may wait behind them; beyond that a caller hears at once that it should come back.
    """

    def __init__(self, *, threads: int, waiting_limit: int, metrics: CollectorRegistry) -> None:
        self._executor = DaemonThreads(threads + _SPARE_THREADS, "predict")
        self._free = asyncio.Semaphore(threads)
        self._limit = threads + waiting_limit
        self._pending = 0
        self._overdue: Tally[str] = Tally()
        overdue = Gauge("futago_twin_calls_overdue", "Calls that run on after their deadline", registry=metrics)
        overdue.set_function(self._overdue.total)
        self._refused = Counter("futago_twin_calls_refused", "Calls turned away by the pool", registry=metrics)

    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        """Run the call in a thread.

        Raises
        ------
        PoolFull
            If too much is waiting, or too many calls hang.
        StillBusy
            If a call of this owner is overdue.
        """
        if self._overdue[owner]:
            self._refused.inc()
            raise StillBusy
        if self._pending >= self._limit or self._overdue.total() >= _SPARE_THREADS:
            self._refused.inc()
            raise PoolFull
        self._pending += 1
        try:
            async with self._free:
                return await self._run(call, owner)
        finally:
            self._pending -= 1

    async def check(self) -> None:
        """Probe: whether threads are left that can work.

        Raises
        ------
        PoolFull
            If too many calls hang: only a restart helps.
        """
        if self._overdue.total() >= _SPARE_THREADS:
            raise PoolFull

    def close(self) -> None:
        """Forget what waits; wait for what runs, unless it is overdue already."""
        self._executor.shutdown(wait=not self._overdue.total(), cancel_futures=True)

    async def _run(self, call: Callable[[], T], owner: str) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._overdue[owner] += 1
            future.add_done_callback(lambda ended: self._ended(ended, owner))
            raise

    def _ended(self, future: "asyncio.Future[T]", owner: str) -> None:
        # Nobody waits for it any more; looked at so that asyncio does not call its error forgotten.
        if not future.cancelled():
            future.exception()
        self._overdue[owner] -= 1
        if not self._overdue[owner]:
            del self._overdue[owner]
