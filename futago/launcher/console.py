"""What the person at the terminal sees: one line a step, and signs of life while a step takes long."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

QUIET_S = 2.0
"""A step shorter than this needs no sign of life."""
PLAIN_EVERY_S = 5.0
TERMINAL_EVERY_S = 0.5
ERASE_LINE = "\r\x1b[K"


class Console:
    """Writes lines; on a terminal the sign of life rewrites itself, elsewhere it is a plain line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._live = False

    def say(self, text: str) -> None:
        """Write a line."""
        self._write(f"{self._erased()}{text}\n")

    @asynccontextmanager
    async def step(self, name: str, waiting_for: Callable[[], str] = lambda: "") -> AsyncIterator[None]:
        """Say what is being done while it takes long, and how long it took once it is done.

        Parameters
        ----------
        waiting_for
            What is still missing, to be shown with the sign of life.
        """
        began_s = time.monotonic()
        showing = asyncio.create_task(self._show_life(name, began_s, waiting_for))
        try:
            yield
        finally:
            showing.cancel()
            self._write(self._erased())
        self.say(f"  {name}: done in {time.monotonic() - began_s:.1f} s")

    async def _show_life(self, name: str, began_s: float, waiting_for: Callable[[], str]) -> None:
        await asyncio.sleep(QUIET_S)
        while True:
            detail = waiting_for()
            line = f"  {name}: {time.monotonic() - began_s:.0f} s{f', waiting for {detail}' if detail else ''}"
            if self._terminal:
                self._write(f"{ERASE_LINE}{line}")
                self._live = True
            else:
                self._write(f"{line}\n")
            await asyncio.sleep(TERMINAL_EVERY_S if self._terminal else PLAIN_EVERY_S)

    def _erased(self) -> str:
        erased = ERASE_LINE if self._live else ""
        self._live = False
        return erased

    def _write(self, text: str) -> None:
        if not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # Nobody reads any more (`futago up | head`): the suite goes on, its logs have the rest.
            return
