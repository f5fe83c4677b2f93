"""Work that goes on beside the requests, for as long as the process runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from shared.log import get_logger

log = get_logger(__name__)

_RESTART_AFTER_S = 1.0


@asynccontextmanager
async def running(work: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Run coroutines by name until the block ends; one that fails is logged and started again."""
    tasks = [asyncio.create_task(_keep_running(name, start), name=name) for name, start in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _keep_running(name: str, start: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await start()
        except Exception:
            # A bug in one of them must not end it for good, nor take the others along.
            log.exception("background_work_failed", work=name)
        await asyncio.sleep(_RESTART_AFTER_S)
