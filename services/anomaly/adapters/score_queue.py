"""Score jobs on their way to the workers."""

from collections.abc import Mapping

from services.anomaly.domain.score_jobs import SCORE_JOB
from shared.contracts.job import Job
from shared.errors import JSON
from shared.jobs import JobQueue


class JobScoreQueue:
    """Implements `score_jobs.ScoreQueue`."""

    def __init__(self, jobs: JobQueue, *, time_limit_s: float) -> None:
        self._jobs = jobs
        self._time_limit_s = time_limit_s

    def submit(self, payload: Mapping[str, JSON], *, owner: str, idempotency_key: str | None) -> Job:
        return self._jobs.submit(
            SCORE_JOB, payload, owner=owner, time_limit_s=self._time_limit_s, idempotency_key=idempotency_key
        )
