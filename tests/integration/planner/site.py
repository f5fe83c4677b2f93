"""A planner of the test's own on a real database and Valkey, and its worker as a process."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import Engine

from services.planner.app import create_app
from services.planner.settings import PlannerSettings
from services.planner.worker import solve_plan
from shared.clock import SystemClock
from shared.contracts.job import Job
from shared.errors import JSON
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jobs import JobContext, JobStore
from shared.jobs.attempts import Attempts
from shared.principal import ROLE_PERMISSIONS, Principal, Role

ROOT = Path(__file__).parents[3]
PATIENCE_S = 90


@dataclass(frozen=True)
class Site:
    """Everything the processes of one test share."""

    folder: Path
    compiled: Path
    database_url: str
    redis_url: str
    engine: Engine
    settings: PlannerSettings
    signer: InternalTokenSigner

    @property
    def jobs(self) -> JobStore:
        return JobStore(self.engine, SystemClock())

    def headers(self, role: Role = Role.ENGINEER, *, assets: tuple[str, ...] = ()) -> dict[str, str]:
        """What the gateway would send along for a caller of this role."""
        principal = Principal("ada", role, ROLE_PERMISSIONS[role], assets)
        return {HEADER: self.signer.sign(principal, "planner")}

    def solve_now(self, job_id: str) -> Mapping[str, JSON]:
        """Do the job in this process, as the child of a worker would."""
        clock = SystemClock()
        attempts = Attempts(self.engine, clock)
        attempt = attempts.claim(job_id, "test")
        assert attempt is not None
        options: dict[str, JSON] = {"cache_dir": str(self.compiled)}
        return solve_plan(JobContext(attempt, attempts, options=options, engine=self.engine, clock=clock))

    def wait_for(self, job_id: str) -> Job:
        """The job once it has ended."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (job := self.jobs.get(job_id)).state.final:
            assert time.monotonic() < deadline_s, f"the job is still {job.state}: {job.progress}"
            time.sleep(0.05)
        return job

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process as the suite starts it."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "FUTAGO_REDIS_URL": self.redis_url,
            "FUTAGO_DATABASE_URL": self.database_url,
            "FUTAGO_CACHE_DIR": str(self.compiled.parent),
            "FUTAGO_ENABLE_MONITORING": "false",
            "FUTAGO_DRAIN_S": "0",
        }
        with (self.folder / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "services.planner.worker"]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextlib.asynccontextmanager
async def serving(site: Site, settings: PlannerSettings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service with its lifespan; the client calls as an engineer."""
    app = create_app(settings or site.settings)
    async with app.api.router.lifespan_context(app.api):
        transport = httpx.ASGITransport(app)
        base_url = "http://planner/api/v1/planner"
        async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=site.headers()) as client:
            yield client
