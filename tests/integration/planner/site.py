"""A planner of the test's own on a real database and Valkey, and its worker as a process."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx

from services.planner.app import create_app
from services.planner.settings import PlannerSettings
from services.planner.worker import solve_plan
from shared.errors import JSON
from tests.integration.worker_site import WorkerSite


@dataclass(frozen=True)
class Site(WorkerSite):
    """Everything the processes of one test share."""

    service: ClassVar[str] = "planner"

    compiled: Path
    settings: PlannerSettings

    def solve_now(self, job_id: str) -> Mapping[str, JSON]:
        """Do the job in this process, as the child of a worker would."""
        return solve_plan(self.claimed(job_id, {"cache_dir": str(self.compiled)}))

    def worker_environment(self) -> Mapping[str, str]:
        return {"FUTAGO_CACHE_DIR": str(self.compiled.parent)}


@contextlib.asynccontextmanager
async def serving(site: Site, settings: PlannerSettings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service with its lifespan; the client calls as an engineer."""
    app = create_app(settings or site.settings)
    async with app.api.router.lifespan_context(app.api):
        transport = httpx.ASGITransport(app)
        base_url = "http://planner/api/v1/planner"
        async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=site.headers()) as client:
            yield client
