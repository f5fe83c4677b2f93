"""Trainings and score jobs on their way to the workers."""

from collections.abc import Mapping

from shared.contracts.job import Job
from shared.errors import JSON
from shared.jobs import JobQueue

QUEUE = "anomaly"


class JobOrders:
    """Implements `training_requests.TrainingQueue` and `score_jobs.ScoreQueue`, each for one kind of job.

    Parameters
    ----------
    time_limit_s
        Longest run of one job; then it is stopped.
    """

    def __init__(self, jobs: JobQueue, kind: str, *, time_limit_s: float) -> None:
        self._jobs = jobs
        self._kind = kind
        self._time_limit_s = time_limit_s

    def submit(self, payload: Mapping[str, JSON], *, owner: str, idempotency_key: str | None) -> Job:
        return self._jobs.submit(
            self._kind, payload, owner=owner, time_limit_s=self._time_limit_s, idempotency_key=idempotency_key
        )
