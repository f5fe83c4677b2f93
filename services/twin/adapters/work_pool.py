"""Threads for models and batches that would hold up the event loop, with a bound on what may wait."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from shared.errors import AppError, Kind

T = TypeVar("T")


class PoolFull(AppError):
    """More work is waiting than can be done soon."""

    kind, code = Kind.UNAVAILABLE, "twin.pool_full"

    def __init__(self) -> None:
        super().__init__("too many predictions are waiting", retry_after_s=1.0)


class BoundedPool:
    """Implements `predictor.WorkPool`.

    Parameters
    ----------
    threads
        How many calls run at once.
    waiting_limit
        How many may wait behind them; beyond that a caller hears at once that it should come back.
    """

    def __init__(self, *, threads: int, waiting_limit: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._limit = threads + waiting_limit
        self._pending = 0
        self._counting = threading.Lock()

    async def run(self, call: Callable[[], T]) -> T:
        """Run the call in a thread.

        Raises
        ------
        PoolFull
            If too much is waiting.
        """
        with self._counting:
            if self._pending >= self._limit:
                raise PoolFull
            self._pending += 1
        future = self._executor.submit(call)
        # A caller that gives up does not stop its call: it counts until it has really ended.
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for what runs, forget what waits."""
        self._executor.shutdown(cancel_futures=True)

    def _ended(self, _: Future[T]) -> None:
        with self._counting:
            self._pending -= 1
