"""The child process of a job, as its worker holds it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol, Self

from shared.errors import JSON
from shared.jobs.attempts import Attempt
from shared.tracing import TraceSettings


@dataclass(frozen=True, slots=True)
class Order:
    """Everything a child is told, on its standard input: a password in it never shows in a list of processes."""

    attempt: Attempt
    handler: str
    database_url: str
    options: Mapping[str, JSON]
    log_service: str
    log_level: str
    log_dir: str | None
    redis_url: str | None = None
    traces: TraceSettings | None = None

    def write(self) -> bytes:
        """The order as JSON."""
        return json.dumps(asdict(self), allow_nan=False).encode()

    @classmethod
    def read(cls, text: bytes) -> Self:
        """The order that `write` wrote."""
        document = json.loads(text)
        traces = document.pop("traces")
        return cls(
            **{**document, "attempt": Attempt(**document["attempt"])},
            traces=None if traces is None else TraceSettings(**traces),
        )


class Child(Protocol):
    """A process that does one job."""

    def wait(self, timeout_s: float) -> int | None:
        """Its return code, negative for a signal; `None` while it runs on after the timeout."""
        ...

    def kill(self) -> None:
        """End it and what it started, now; nothing where it has ended."""
        ...


class ChildProcess:
    """A real one: a fresh interpreter, so that no lock or connection of the worker is copied into it."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "shared.jobs.child", str(os.getpid())],
            stdin=subprocess.PIPE,
            # Out of the terminal's group: Ctrl-C is for the worker, which lets the job end or gives it back.
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 (asked for above)
        # A child that died this early shows in its return code.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(order.write())

    def wait(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        # Once the process is waited for, its id may be another's.
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
