"""Work that goes on beside the requests, for as long as the process runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from shared.log import get_logger

log = get_logger(__name__)

_RESTART_AFTER_S = 1.0
_CANCEL_AGAIN_S = 0.1


@asynccontextmanager
async def running(work: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Run coroutines by name until the block ends; one that fails is logged and started again."""
    tasks = [asyncio.create_task(_keep_running(name, start), name=name) for name, start in work.items()]
    try:
        yield
    finally:
        await _end(tasks)


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until every task has ended.

    Once is not enough: redis-py sends with `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that
    comes in the moment its own wait ends, and the work goes on as if nothing had been asked.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_S)


async def _keep_running(name: str, start: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await start()
        except Exception:
            # A bug in one of them must not end it for good, nor take the others along.
            log.exception("background_work_failed", work=name)
        await asyncio.sleep(_RESTART_AFTER_S)
