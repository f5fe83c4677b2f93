"""Threads for the arithmetic of a service: few, and with a short queue, so that the event loop stays free."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

from shared.errors import AppError, Kind

T = TypeVar("T")


class Overloaded(AppError):
    """More work is waiting than can be done in time."""

    kind, code = Kind.UNAVAILABLE, "anomaly.overloaded"

    def __init__(self) -> None:
        super().__init__("too many calls are waiting", retry_after_s=1.0)


class Workbench:
    """Runs functions in a pool and refuses more than can wait.

    Parameters
    ----------
    pool
        Its threads do the work.
    places
        Calls that may run or wait at once; a call whose client has gone holds its place until it is done.
    """

    def __init__(self, pool: Executor, *, places: int) -> None:
        self._pool = pool
        self._free = places

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread. Call it on the event loop only.

        Raises
        ------
        Overloaded
            If every place is taken.
        """
        if self._free == 0:
            raise Overloaded
        self._free -= 1
        loop = asyncio.get_running_loop()
        # With what this task knows of its request, for logs, traces and jobs.
        future = self._pool.submit(copy_context().run, work)
        future.add_done_callback(lambda _: self._give_back(loop))
        return await asyncio.wrap_future(future)

    def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        # A pool calls back from its own thread, the count is the loop's; at the end of a process the loop may be gone.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._free += 1
