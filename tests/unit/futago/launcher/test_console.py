"""What the terminal shows."""

import asyncio
import io

import pytest

from futago.launcher import console
from futago.launcher.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "QUIET_S", 0.0)


async def test_a_long_step_says_what_it_waits_for():
    stream = io.StringIO()
    async with Console(stream).step("processes", lambda: "twin, planner"):
        await asyncio.wait_for(_until(stream, "waiting for"), 5.0)
    assert "  processes: 0 s, waiting for twin, planner\n" in stream.getvalue()
    assert stream.getvalue().endswith("  processes: done in 0.0 s\n")


async def test_without_a_terminal_there_are_no_control_characters():
    stream = io.StringIO()
    async with Console(stream).step("database"):
        await asyncio.wait_for(_until(stream, "database"), 5.0)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


async def test_on_a_terminal_the_sign_of_life_is_erased_before_the_next_line():
    stream = Terminal()
    async with Console(stream).step("database"):
        await asyncio.wait_for(_until(stream, "database"), 5.0)
    assert stream.getvalue().endswith("\r\x1b[K  database: done in 0.0 s\n")


async def test_a_failed_step_is_not_called_done():
    stream = io.StringIO()
    with pytest.raises(RuntimeError):
        async with Console(stream).step("database"):
            raise RuntimeError
    assert "done" not in stream.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_suite():
    Console(Closed()).say("nobody hears this")


async def _until(stream: io.StringIO, text: str) -> None:
    # The stream is written by the step's own task: handing over to it is all there is to wait for.
    while text not in stream.getvalue():
        await asyncio.sleep(0)
