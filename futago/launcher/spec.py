"""What the supervisor has to know about a process."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

Probe: TypeAlias = Callable[[], Awaitable[bool]]
"""Asks a process whether it is ready; False, not an exception, while it is not."""


class StopStage(IntEnum):
    """The order in which processes are stopped: who brings work goes before who does it, storage goes last."""

    DOOR = 0
    SERVICE = 1
    WORKER = 2
    STORAGE = 3


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the suite.

    Parameters
    ----------
    command
        Program and arguments.
    environment
        All of it; nothing is inherited behind this.
    ready
        Whether it can do its work.
    port
        Where it listens on the loopback address.
    grace_s
        Time between being asked to stop and being killed [s].
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stage: StopStage
    ready: Probe
    port: int | None = None
    grace_s: float = 15.0
