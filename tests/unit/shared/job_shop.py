"""Queue, store, attempts and sweeper of one table of jobs, with a queue that a test can take away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.contracts.job import Job, QueueUnavailable
from shared.database import open_engine
from shared.errors import JSON
from shared.jobs import JobQueue, JobStore, migrate_jobs
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.sweeper import Sweeper

DIED: Mapping[str, JSON] = {"code": "job.worker_died", "detail": "gone"}


class Clock(Protocol):
    def step(self, seconds: float) -> None: ...


@dataclass
class FakeDelivery:
    """A queue that a test can take away, before or after a message got through."""

    sent: list[str] = field(default_factory=list)
    away: bool = False
    answers: bool = True

    def send(self, job_id: str, kind: str) -> None:
        if self.away:
            raise QueueUnavailable
        self.sent.append(job_id)
        if not self.answers:
            raise QueueUnavailable

    def take(self, wait_s: int) -> str | None:
        return self.sent.pop(0) if self.sent else None

    def waiting(self) -> frozenset[str]:
        if self.away:
            raise QueueUnavailable
        return frozenset(self.sent)


class Shop:
    """Everything that works on one table."""

    def __init__(self, url: str, clock: Clock) -> None:
        migrate_jobs(url)
        self.engine = open_engine(url)
        self.clock = clock
        self.delivery = FakeDelivery()
        self.queue = JobQueue(self.engine, self.delivery, queue="q", clock=clock)
        self.store = JobStore(self.engine, clock)
        self.attempts = Attempts(self.engine, clock)
        self.sweeper = Sweeper(self.engine, self.attempts, self.delivery, queue="q")

    def submit(self, *, key: str | None = None, owner: str = "ada", max_attempts: int = 3, **payload: JSON) -> Job:
        return self.queue.submit(
            "test.kind", payload, owner=owner, time_limit_s=60, idempotency_key=key, max_attempts=max_attempts
        )

    def claim(self, job: Job) -> Attempt:
        attempt = self.attempts.claim(job.id, "worker")
        assert attempt is not None
        return attempt

    def sweep(self, times: int) -> None:
        for _ in range(times):
            self.sweeper.sweep()
