"""One database, one queue, and the worker processes a test starts and kills."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from shared.clock import SystemClock
from shared.contracts.job import Job
from shared.database import open_engine
from shared.errors import JSON
from shared.jobs import JobQueue, JobStore, RqDelivery, migrate_jobs
from shared.redis_client import blocking_client

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
PATIENCE_S = 30

T = TypeVar("T")


class Server(Protocol):
    """What these tests do to a server of their own."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def stall(self) -> None: ...
    def resume(self) -> None: ...


@dataclass(frozen=True)
class Start:
    word: str
    attempt: int
    pid: int
    worker_pid: int


class Bench:
    """One database, one queue, and the workers a test starts."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        migrate_jobs(database_url)
        self.database_url = database_url
        self._urls = (database_url, redis_url)
        self.folder = folder
        self.diary = folder / "diary"
        self.engine = open_engine(database_url)
        self.store = JobStore(self.engine, SystemClock())
        self.redis = blocking_client(redis_url)
        self.queue = JobQueue(self.engine, RqDelivery(self.redis, "test"), queue="test", clock=SystemClock())
        self.workers = []

    def submit(
        self, kind: str, *, time_limit_s: float = 60, max_attempts: int = 3, key: str | None = None, **facts: JSON
    ):
        payload = {"diary": str(self.diary), **facts}
        return self.queue.submit(
            f"test.{kind}",
            payload,
            owner="ada",
            time_limit_s=time_limit_s,
            max_attempts=max_attempts,
            idempotency_key=key,
        )

    def start_worker(self, *, drain_s: float = 5.0):
        paths = os.pathsep.join([str(ROOT), str(FOLDER)])
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, FOLDER / "job_worker.py", *self._urls, str(drain_s)],
                env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def starts(self):
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        told = [line.split() for line in lines if line.endswith(tuple("0123456789"))]
        return [Start(t[0], int(t[1]), int(t[2]), int(t[3])) for t in told if t[0] == "start"]

    def wait_for_start(self, number: int = 1):
        return wait(lambda: len(self.starts()) >= number and self.starts()[number - 1])

    def wait_for_end(self, job: Job):
        return wait(lambda: (now := self.store.get(job.id)).state.final and now)

    def log(self):
        return (self.folder / "worker.log").read_text()

    def close(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.redis.close()
        self.engine.dispose()


def wait(condition: Callable[[], T], limit_s: float = PATIENCE_S) -> T:
    deadline_s = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)
    return value


def gone(pid: int):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
