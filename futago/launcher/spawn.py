"""Starts processes that cannot outlive this one, with their output in a log."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from futago.launcher import child
from futago.launcher.errors import StepFailed

LOG_LIMIT_BYTES = 10 * 1024**2
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Spawner:
    """Starts commands in one folder, logging into another.

    Parameters
    ----------
    folder
        Working folder of every process: the checkout, so that `python -m services.…` finds its modules.
    logs
        One file a process.
    """

    folder: Path
    logs: Path

    def log_path(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self.logs / f"{name}.log"

    async def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        """Start a process in a session of its own: a Ctrl-C at the terminal reaches this process alone.

        The kernel ties the process to the thread that starts it, so call this from the main thread only.

        Raises
        ------
        OSError
            If there is no Python to start it with.
        """
        guard = [sys.executable, "-I", "-S", child.__file__, str(os.getpid())]
        with self.log_path(name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *guard,
                *command,
                cwd=self.folder,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                # Database, store and cache are nobody else's business.
                umask=0o077,
            )

    async def run(self, name: str, what: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a command to its end; cancelling this kills it.

        Raises
        ------
        StepFailed
            If it ends with anything but 0.
        """
        process = await self.start(name, command, environment)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            kill_group(process.pid)
            await process.wait()
            raise
        if code != 0:
            raise StepFailed(what, self.log_path(name), self.last_lines(name), ended_with=code)

    def last_lines(self, name: str) -> str:
        """The end of a log, indented for a message."""
        try:
            with self.log_path(name).open(encoding="utf-8", errors="replace") as log:
                return "\n".join(f"  {line.rstrip()}" for line in deque(log, maxlen=TAIL_LINES))
        except FileNotFoundError:
            return ""

    def note(self, name: str, sentence: str) -> None:
        """Add a line of the launcher's own to a log, if the disk takes it."""
        with suppress(OSError), self.log_path(name).open("a", encoding="utf-8") as log:
            log.write(f"futago up: {name} {sentence}\n")

    def trim_logs(self) -> None:
        """Move the content of logs that have grown too long aside, keeping one old file each.

        The processes go on writing into the same file, opened for appending; what they write between the copy and
        the cut is lost.
        """
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                # On a full disk there is no room for a copy, and all the more need to cut.
                with suppress(OSError):
                    log.with_suffix(".log.1").write_bytes(log.read_bytes())
                os.truncate(log, 0)


def kill_group(leader: int) -> None:
    """Kill a process and whatever is left of its session; nothing left is fine too."""
    # macOS answers with a PermissionError for a group of which only a zombie is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
