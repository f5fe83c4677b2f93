"""Trainings on their way to the workers."""

from collections.abc import Mapping

from services.anomaly.domain.training_requests import TRAIN_JOB
from shared.contracts.job import Job
from shared.errors import JSON
from shared.jobs import JobQueue

QUEUE = "anomaly"


class JobTrainingQueue:
    """Implements `training_requests.TrainingQueue`."""

    def __init__(self, jobs: JobQueue, *, time_limit_s: float) -> None:
        self._jobs = jobs
        self._time_limit_s = time_limit_s

    def submit(self, payload: Mapping[str, JSON], *, owner: str, idempotency_key: str | None) -> Job:
        return self._jobs.submit(
            TRAIN_JOB, payload, owner=owner, time_limit_s=self._time_limit_s, idempotency_key=idempotency_key
        )
