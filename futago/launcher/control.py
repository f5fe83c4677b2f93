"""`futago status` and `futago down`: looking at a running suite, and ending it, from another shell."""

import os
import signal
import time
from collections.abc import Callable

from futago.launcher.errors import LaunchError, NotRunning
from futago.launcher.home import Home
from futago.launcher.state import State
from futago.launcher.supervised import Status

LOOK_S = 0.1


class StillRuns(LaunchError):
    """The suite was asked to stop and has not done so in time."""


def running_state(home: Home) -> State:
    """What the supervisor of this home last said.

    Raises
    ------
    NotRunning
        If there is no supervisor, or it has not started anything yet.
    """
    holder = home.holder()
    if holder is None:
        raise NotRunning(home.root)
    try:
        state = State.read(home.state)
    except FileNotFoundError:
        raise NotRunning(home.root) from None
    if state.supervisor_pid != holder.pid:
        # Left by a supervisor that was killed; the one that holds the home now has not written its own yet.
        raise NotRunning(home.root)
    return state


def table(state: State, now_s: float) -> str:
    """The processes as text, one a line."""
    header = ("process", "pid", "port", "state", "restarts", "up")
    rows = [header, *(_row(status, now_s) for status in state.processes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{state.url}  (futago up is process {state.supervisor_pid})", *lines])


def stop(home: Home, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask the supervisor to stop the suite, and wait until it has.

    Raises
    ------
    NotRunning
        If there is no supervisor.
    StillRuns
        If it takes longer than `timeout_s`.
    """
    holder = home.holder()
    if holder is None or holder.pid is None:
        raise NotRunning(home.root)
    os.kill(holder.pid, signal.SIGTERM)
    give_up_at_s = time.monotonic() + timeout_s
    while home.holder() is not None:
        if time.monotonic() > give_up_at_s:
            raise StillRuns(f"Futago (process {holder.pid}) still runs {timeout_s:g} s after it was asked to stop.")
        sleep(LOOK_S)


def _row(status: Status, now_s: float) -> tuple[str, ...]:
    up = "-" if status.since_s is None else _duration(now_s - status.since_s)
    return (
        status.name,
        str(status.pid or "-"),
        str(status.port or "-"),
        status.phase.value,
        str(status.restarts),
        up,
    )


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole % 60:02d} s"
