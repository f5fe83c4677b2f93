"""A job as an answer: what a route returns for work longer than a request."""

from typing import Any, Self

from pydantic import BaseModel
from starlette.responses import Response

from shared.contracts.job import Job, JobState


class JobResponse(BaseModel):
    """Work longer than a request; `GET /api/v1/jobs/{id}` tells how it goes."""

    id: str
    kind: str
    state: JobState
    progress: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Write a job for the wire."""
        return cls.model_validate(job.to_json())


def accepted(job: Job, response: Response) -> JobResponse:
    """The body of a 202, with the job's address in `Location`."""
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return JobResponse.of(job)
