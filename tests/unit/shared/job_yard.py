"""A worker with a child, a queue and a clock that follow a script."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest

from shared.contracts.job import Job, QueueUnavailable
from shared.database import open_engine
from shared.jobs import JobQueue, JobStore, migrate_jobs
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.worker import Worker

KIND = "test.kind"


class Clock(Protocol):
    def step(self, seconds: float) -> None: ...
    def monotonic_s(self) -> float: ...


@dataclass
class FakeDelivery:
    sent: list[str] = field(default_factory=list)
    away: bool = False

    def send(self, job_id: str, kind: str) -> None:
        if self.away:
            raise QueueUnavailable
        self.sent.append(job_id)

    def take(self, wait_s: int) -> str | None:
        if self.away:
            raise QueueUnavailable
        return self.sent.pop(0) if self.sent else None

    def waiting(self) -> frozenset[str]:
        return frozenset(self.sent)


@dataclass
class FakeSweeper:
    sweeps: int = 0

    def sweep(self) -> None:
        self.sweeps += 1


@dataclass
class FakeChild:
    """Runs until a moment, then does its last deed and ends with a code."""

    clock: Clock
    ends_after_s: float
    code: int
    deed: Callable[[], object]
    killed: bool = False

    def __post_init__(self) -> None:
        self._end_s = self.clock.monotonic_s() + self.ends_after_s

    def wait(self, timeout_s: float) -> int | None:
        if self.clock.monotonic_s() < self._end_s:
            self.clock.step(timeout_s)
            return None
        self.deed()
        return self.code

    def kill(self) -> None:
        self.killed = True


class Yard:
    """A worker among fakes; it stops when its queue is empty, or when it is told to."""

    def __init__(self, url: str, clock: Clock) -> None:
        migrate_jobs(url)
        self.engine = open_engine(url)
        self.clock = clock
        self.delivery = FakeDelivery()
        self.sweeper = FakeSweeper()
        self.store = JobStore(self.engine, clock)
        self.attempts = Attempts(self.engine, clock)
        self.registry = CollectorRegistry()
        self.children: list[FakeChild] = []
        self.script: Callable[[Attempt], FakeChild] = self.succeed
        self.stop_at_s = float("inf")
        self.slept_s: list[float] = []
        self.worker = Worker(
            name="worker",
            attempts=self.attempts,
            delivery=self.delivery,
            sweeper=self.sweeper,
            metrics=WorkerMetrics(self.registry),
            handlers={KIND: "module:function"},
            start=self.start,
            stopping=self.stopping,
            drain_s=5.0,
            clock=clock,
            sleep=self.sleep,
        )

    def submit(self, *, kind: str = KIND, time_limit_s: float = 60) -> Job:
        queue = JobQueue(self.engine, self.delivery, queue="q", clock=self.clock)
        return queue.submit(kind, {}, owner="ada", time_limit_s=time_limit_s)

    def start(self, attempt: Attempt, handler: str) -> FakeChild:
        assert handler == "module:function"
        self.children.append(self.script(attempt))
        return self.children[-1]

    def child(self, *, after_s: float = 1.0, code: int = 0, deed: Callable[[], object] = lambda: None) -> FakeChild:
        return FakeChild(self.clock, after_s, code, deed)

    def succeed(self, attempt: Attempt) -> FakeChild:
        return self.child(deed=lambda: self.attempts.succeed(attempt, lambda _: {"ok": True}, None))

    def stopping(self) -> bool:
        running = bool(self.children) and not self.children[-1].killed
        return self.clock.monotonic_s() >= self.stop_at_s or not (running or self.delivery.sent)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.delivery.away = False

    def sample(self, line: str) -> bool:
        return line in generate_latest(self.registry).decode().splitlines()
