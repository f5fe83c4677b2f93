"""Waiting for things that happen in other processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path


async def until(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Return as soon as it holds; fail when it never does."""
    async with asyncio.timeout(limit_s):
        # Another process tells nobody here when it has done something: looking is all there is.
        while not holds():
            await asyncio.sleep(0.01)


def running(pid: int) -> bool:
    """Whether a process still does anything; one that is dead but not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pids: list[int]) -> None:
    """Return once none of these processes does anything."""
    await until(lambda: not any(running(pid) for pid in pids))
