"""An anomaly service of the test's own on real SQLite and Valkey, and its worker as a process."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import Engine

from services.anomaly.app import create_app
from services.anomaly.settings import AnomalySettings
from services.anomaly.worker import train_detector
from shared.clock import SystemClock
from shared.contracts.job import Job
from shared.errors import JSON
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jobs import JobContext, JobStore
from shared.jobs.attempts import Attempts
from shared.principal import ROLE_PERMISSIONS, Principal, Role

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60
COLUMNS = ["flow", "pressure", "temperature"]


def plant(rows: int, seed: int = 0) -> np.ndarray:
    """Normal operation: a slow swing with noise on three scales."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(rows)[:, None] / 7.0 + [0.0, 0.5, 1.0])
    return np.array([30.0, 6.0, 350.0]) + (load + 0.2 * rng.normal(size=(rows, 3))) * [2.0, 0.3, 1.5]


@dataclass(frozen=True)
class Site:
    """Everything the processes of one test share."""

    folder: Path
    database_url: str
    redis_url: str
    engine: Engine
    settings: AnomalySettings
    signer: InternalTokenSigner

    @property
    def jobs(self) -> JobStore:
        return JobStore(self.engine, SystemClock())

    def headers(self, role: Role = Role.ENGINEER, *, assets: tuple[str, ...] = ()) -> dict[str, str]:
        """What the gateway would send along for a caller of this role."""
        principal = Principal("ada", role, ROLE_PERMISSIONS[role], assets)
        return {HEADER: self.signer.sign(principal, "anomaly")}

    def train_now(self, job_id: str) -> Mapping[str, JSON]:
        """Do the job in this process, as the child of a worker would."""
        clock = SystemClock()
        attempts = Attempts(self.engine, clock)
        attempt = attempts.claim(job_id, "test")
        assert attempt is not None
        place: dict[str, JSON] = {
            "store_url": self.settings.store_url,
            "cache_dir": str(self.folder / "worker-cache"),
            "signing_key_file": str(self.folder / "signing.pem"),
        }
        return train_detector(JobContext(attempt, attempts, options=place, engine=self.engine, clock=clock))

    def wait_for(self, job_id: str) -> Job:
        """The job once it has ended."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (job := self.jobs.get(job_id)).state.final:
            assert time.monotonic() < deadline_s, f"the job is still {job.state}"
            time.sleep(0.05)
        return job

    def wait_for_an_epoch(self, job_id: str) -> None:
        """Return once the training is under way."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (self.jobs.get(job_id).progress or {}).get("epoch"):
            assert time.monotonic() < deadline_s, "the training has not begun"
            time.sleep(0.05)

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process as the suite starts it."""
        settings = self.settings
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "FUTAGO_REDIS_URL": self.redis_url,
            "FUTAGO_DATABASE_URL": self.database_url,
            "FUTAGO_STORE_URL": settings.store_url,
            "FUTAGO_CACHE_DIR": str(self.folder / "worker-cache"),
            "FUTAGO_TRUST_DIR": str(settings.trust_dir),
            "FUTAGO_ENABLE_MONITORING": "false",
            "FUTAGO_DRAIN_S": "0",
            "ANOMALY_SIGNING_KEY_FILE": str(self.folder / "signing.pem"),
        }
        with (self.folder / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "services.anomaly.worker"]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextlib.asynccontextmanager
async def serving(site: Site, settings: AnomalySettings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service with its lifespan; the client calls as an engineer."""
    app = create_app(settings or site.settings)
    async with app.api.router.lifespan_context(app.api):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://anomaly/api/v1/anomaly", headers=site.headers()
        ) as client:
            yield client
