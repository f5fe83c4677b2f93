"""Requests for plans on their way to the workers."""

from collections.abc import Mapping

from services.planner.domain.plan_desk import SOLVE_JOB
from shared.contracts.job import Job
from shared.errors import JSON
from shared.jobs import JobQueue

QUEUE = "planner"


class JobSolveQueue:
    """Implements `plan_desk.SolveQueue`."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs

    def submit(
        self, request: Mapping[str, JSON], *, owner: str, idempotency_key: str | None, time_limit_s: float
    ) -> Job:
        return self._jobs.submit(
            SOLVE_JOB, request, owner=owner, time_limit_s=time_limit_s, idempotency_key=idempotency_key
        )
