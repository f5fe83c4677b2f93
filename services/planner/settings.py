"""What the planner and its worker need to know; their own variables start with `PLANNER_`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.settings import BehindGateway, ServiceSettings


class PlannerSettings(BehindGateway, ServiceSettings):
    """Settings of the service."""

    service: ClassVar[str] = "planner"

    port: int = Field(8103, ge=0, lt=65536, description="port to listen on")
    search_limit_s: float = Field(3600.0, gt=0, le=86_400, description="longest search a request may ask for")
    plan_retention_days: int = Field(
        800, ge=0, description="plans go when nothing has changed on them for so long, 0: never; two planning years"
    )
    score_threads: int = Field(2, gt=0, le=64, description="plans that are read, scored or explained at once")


class PlannerWorkerSettings(ServiceSettings):
    """Settings of the worker; its port shows its metrics."""

    service: ClassVar[str] = "planner"
    section: ClassVar[str] = "planner-worker"

    port: int = Field(8113, ge=0, lt=65536, description="port that serves the metrics")
    cache_dir: Path = Field(description="local folder for the compiled search")

    def folders(self) -> dict[str, Path]:
        """With the one of the compiled search."""
        return super().folders() | {"cache": self.cache_dir}
