"""An anomaly service of the test's own on real SQLite and Valkey, and its worker as a process."""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import httpx
import numpy as np

from services.anomaly.app import create_app
from services.anomaly.settings import AnomalySettings
from services.anomaly.worker import score_table, train_detector
from shared.errors import JSON
from tests.integration.worker_site import PATIENCE_S, WorkerSite

COLUMNS = ["flow", "pressure", "temperature"]


def plant(rows: int, seed: int = 0) -> np.ndarray:
    """Normal operation: a slow swing with noise on three scales."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(rows)[:, None] / 7.0 + [0.0, 0.5, 1.0])
    return np.array([30.0, 6.0, 350.0]) + (load + 0.2 * rng.normal(size=(rows, 3))) * [2.0, 0.3, 1.5]


@dataclass(frozen=True)
class Site(WorkerSite):
    """Everything the processes of one test share."""

    service: ClassVar[str] = "anomaly"

    settings: AnomalySettings

    def train_now(self, job_id: str) -> Mapping[str, JSON]:
        """Do the job in this process, as the child of a worker would."""
        return train_detector(self.claimed(job_id, self._place()))

    def score_now(self, job_id: str) -> Mapping[str, JSON]:
        """Do the score job in this process; from a running event loop, in a thread of its own."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: score_table(self.claimed(job_id, self._place()))).result()

    def _place(self) -> dict[str, JSON]:
        return {
            "store_url": self.settings.store_url,
            "cache_dir": str(self.folder / "worker-cache"),
            "signing_key_file": str(self.folder / "signing.pem"),
            "trust_dir": str(self.settings.trust_dir),
            "redis_url": self.redis_url,
            "cache_retention_days": 30,
        }

    def wait_for_progress(self, job_id: str) -> None:
        """Return once a worker has begun with the job."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.jobs.get(job_id).progress:
            assert time.monotonic() < deadline_s, "the job has not begun"
            time.sleep(0.02)

    def wait_for_an_epoch(self, job_id: str) -> None:
        """Return once the training is under way."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (self.jobs.get(job_id).progress or {}).get("epoch"):
            assert time.monotonic() < deadline_s, "the training has not begun"
            time.sleep(0.05)

    def worker_environment(self) -> Mapping[str, str]:
        return {
            "FUTAGO_STORE_URL": self.settings.store_url,
            "FUTAGO_CACHE_DIR": str(self.folder / "worker-cache"),
            "FUTAGO_TRUST_DIR": str(self.settings.trust_dir),
            "ANOMALY_SIGNING_KEY_FILE": str(self.folder / "signing.pem"),
        }


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
