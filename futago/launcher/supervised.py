"""One process kept alive: started, watched, started again, stopped."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from futago.launcher.backoff import Backoff
from futago.launcher.spawn import Spawner, kill_group
from futago.launcher.spec import ProcessSpec

LOOK_WHILE_STARTING_S = 0.1
LOOK_WHILE_READY_S = 2.0


class Phase(StrEnum):
    """Where a process stands."""

    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"
    WAITING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Status:
    """One process at one moment.

    Parameters
    ----------
    since_s
        When the running process was started [s since 1970]; `None` while there is none.
    failures
        Ends in a row without a healthy time between them.
    exit_code
        How it ended last; negative is the number of the signal that killed it, `None` that it could not be started.
    restart_in_s
        Wait before the next start, while restarting [s].
    was_ready
        Whether it has ever been ready.
    """

    name: str
    phase: Phase = Phase.STOPPED
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    since_s: float | None = None
    failures: int = 0
    exit_code: int | None = None
    restart_in_s: float = 0.0
    was_ready: bool = False


class SupervisedProcess:
    """Keeps one process running until told to stop.

    Parameters
    ----------
    on_change
        Called with the status whenever it has changed.
    """

    def __init__(
        self, spec: ProcessSpec, spawner: Spawner, backoff: Backoff, on_change: Callable[[Status], None]
    ) -> None:
        self.spec = spec
        self.status = Status(spec.name, port=spec.port)
        self._spawner = spawner
        self._backoff = backoff
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def keep_running(self) -> None:
        """Run the process again and again; returns once it has been stopped."""
        restarts = 0
        while not self._stopping.is_set():
            started_s = time.monotonic()
            code = await self._run_once(restarts)
            restarts += 1
            if self._stopping.is_set():
                break
            failures = self._backoff.failures_after(self.status.failures, time.monotonic() - started_s)
            delay_s = self._backoff.delay_s(failures)
            ended = replace(self.status, phase=Phase.WAITING, pid=None, since_s=None)
            self._show(replace(ended, failures=failures, exit_code=code, restart_in_s=delay_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
        self._show(replace(self.status, phase=Phase.STOPPED, pid=None, since_s=None))

    async def stop(self) -> None:
        """Ask the process to end, wait its grace, then kill it."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.spec.grace_s)
        except TimeoutError:
            kill_group(process.pid)
            await process.wait()

    def kill(self) -> None:
        """End the process now, and do not start it again."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            kill_group(self._process.pid)

    async def _run_once(self, restarts: int) -> int | None:
        try:
            process = await self._spawner.start(self.spec.name, self.spec.command, self.spec.environment)
        except OSError as error:
            # A machine short of memory or process ids is a reason to wait, not to give up.
            self._spawner.note(self.spec.name, f"could not be started: {error}")
            return None
        self._process = process
        running = replace(self.status, phase=Phase.STARTING, pid=process.pid, since_s=time.time())
        self._show(replace(running, restarts=restarts, restart_in_s=0.0))
        if self._stopping.is_set():
            # `stop` came while the process was being made and did not see it.
            kill_group(process.pid)
        watching = asyncio.create_task(self._watch_readiness())
        try:
            return await process.wait()
        finally:
            watching.cancel()
            # What the process itself started must not go on without it.
            kill_group(process.pid)

    async def _watch_readiness(self) -> None:
        while True:
            ready = await self.spec.ready()
            if ready and self.status.phase is not Phase.READY:
                self._show(replace(self.status, phase=Phase.READY, was_ready=True))
            elif not ready and self.status.phase is Phase.READY:
                self._show(replace(self.status, phase=Phase.NOT_READY))
            await asyncio.sleep(LOOK_WHILE_READY_S if ready else LOOK_WHILE_STARTING_S)

    def _show(self, status: Status) -> None:
        self.status = status
        self._on_change(status)
