"""What a service with a worker needs in a test: real database and Valkey, callers, jobs, the worker as a process."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Engine

from shared.clock import SystemClock
from shared.contracts.job import Job
from shared.errors import JSON
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jobs import JobContext, JobStore
from shared.jobs.attempts import Attempts
from shared.principal import ROLE_PERMISSIONS, Principal, Role

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90


@dataclass(frozen=True)
class WorkerSite:
    """Everything the processes of one test share."""

    service: ClassVar[str]
    """Its audience, and the package of its worker."""

    folder: Path
    database_url: str
    redis_url: str
    engine: Engine
    signer: InternalTokenSigner

    @property
    def jobs(self) -> JobStore:
        return JobStore(self.engine, SystemClock())

    def headers(
        self, role: Role = Role.ENGINEER, *, assets: tuple[str, ...] = (), subject: str = "ada"
    ) -> dict[str, str]:
        """What the gateway would send along for a caller of this role."""
        principal = Principal(subject, role, ROLE_PERMISSIONS[role], assets)
        return {HEADER: self.signer.sign(principal, self.service)}

    def claimed(self, job_id: str, options: Mapping[str, JSON]) -> JobContext:
        """The job as the child of a worker gets it, in this process."""
        clock = SystemClock()
        attempts = Attempts(self.engine, clock)
        attempt = attempts.claim(job_id, "test")
        assert attempt is not None
        return JobContext(attempt, attempts, options=options, engine=self.engine, clock=clock)

    def wait_for(self, job_id: str) -> Job:
        """The job once it has ended."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (job := self.jobs.get(job_id)).state.final:
            assert time.monotonic() < deadline_s, f"the job is still {job.state}: {job.progress}"
            time.sleep(0.05)
        return job

    def worker_environment(self) -> Mapping[str, str]:
        """What the worker of this service is told besides what all are."""
        return {}

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process as the suite starts it."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "FUTAGO_REDIS_URL": self.redis_url,
            "FUTAGO_DATABASE_URL": self.database_url,
            "FUTAGO_ENABLE_MONITORING": "false",
            "FUTAGO_DRAIN_S": "0",
            **self.worker_environment(),
        }
        with (self.folder / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", f"services.{self.service}.worker"]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
