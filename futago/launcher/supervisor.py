"""All processes of the suite together: started, waited for, kept alive, stopped in order."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import groupby

from futago.launcher.backoff import Backoff
from futago.launcher.errors import EXIT_CANNOT_START, ProcessFailed
from futago.launcher.spawn import Spawner
from futago.launcher.spec import ProcessSpec
from futago.launcher.supervised import Phase, Status, SupervisedProcess

START_FAILURES_ALLOWED = 3
"""So many ends before it was ever ready, and a process counts as one that does not start."""
TRIM_LOGS_EVERY_S = 60.0


class Supervisor:
    """Keeps processes alive until they are stopped.

    Parameters
    ----------
    on_change
        Called with a process's status whenever that has changed.
    """

    def __init__(self, spawner: Spawner, backoff: Backoff, on_change: Callable[[Status], None]) -> None:
        self._spawner = spawner
        self._backoff = backoff
        self._report = on_change
        self._processes: dict[str, SupervisedProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._notifications: set[asyncio.Task[None]] = set()

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        """Begin to keep these processes alive, besides those already started."""
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._trim_logs()))
        for spec in specs:
            process = SupervisedProcess(spec, self._spawner, self._backoff, self._on_change)
            self._processes[spec.name] = process
            self._tasks.append(asyncio.create_task(process.keep_running(), name=spec.name))

    def statuses(self) -> tuple[Status, ...]:
        """Every process, in the order they were started."""
        return tuple(process.status for process in self._processes.values())

    def starting(self) -> tuple[str, ...]:
        """Names of the processes that are not ready."""
        return tuple(status.name for status in self.statuses() if status.phase is not Phase.READY)

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until every process started so far is ready.

        Raises
        ------
        ProcessFailed
            If one says that it cannot start, ends again and again before it is ready, or is not ready in time.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(self._all_ready_or_raise)
        except TimeoutError:
            slow = self.starting()[0]
            raise self._failed(slow, f"it is not ready after {timeout_s:g} s") from None

    async def stop(self) -> None:
        """Stop stage by stage; within a stage, all at once."""
        in_order = sorted(self._processes.values(), key=lambda process: process.spec.stage)
        for _stage, members in groupby(in_order, key=lambda process: process.spec.stage):
            await asyncio.gather(*(process.stop() for process in members))
        for task in self._tasks:
            if task.get_name() not in self._processes:
                task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def kill(self) -> None:
        """End every process now."""
        for process in self._processes.values():
            process.kill()

    def _all_ready_or_raise(self) -> bool:
        for status in self.statuses():
            if status.was_ready or not status.failures:
                continue
            if status.exit_code == EXIT_CANNOT_START:
                raise self._failed(status.name, "it says why itself", ended_with=status.exit_code)
            if status.failures >= START_FAILURES_ALLOWED:
                raise self._failed(status.name, f"it ended {status.failures} times, {ending(status.exit_code)}")
        return not self.starting()

    def _failed(self, name: str, reason: str, *, ended_with: int | None = None) -> ProcessFailed:
        log, last_lines = self._spawner.log_path(name), self._spawner.last_lines(name)
        return ProcessFailed(name, reason, log, last_lines, ended_with=ended_with)

    def _on_change(self, status: Status) -> None:
        self._report(status)
        notification = asyncio.get_running_loop().create_task(self._notify())
        self._notifications.add(notification)
        notification.add_done_callback(self._notifications.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(TRIM_LOGS_EVERY_S)
            self._spawner.trim_logs()


def ending(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is None:
        return "it could not be started"
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
