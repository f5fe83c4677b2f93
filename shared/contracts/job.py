"""A job as callers see it, and the errors they can meet on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from shared.clock import rfc3339
from shared.contracts import fields
from shared.errors import JSON, AppError, Kind


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job will never change again."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Job:
    """Work longer than a request.

    Parameters
    ----------
    kind
        What it does, `<service>.<verb>`, such as `anomaly.train`.
    progress
        `fraction` (0 to 1), `message` and whatever else the work tells; `None` before its first word.
    started_at
        Start of the newest attempt.
    attempt
        How many times it was started; 0 while it waits for the first time.
    result
        What it produced; only of a job that succeeded.
    error
        `code`, `detail` and, for faults of the input, `errors`; only of a job that failed.
    owner
        Subject of the principal it was made for; not part of the wire form.
    """

    id: str
    kind: str
    state: JobState
    progress: Mapping[str, JSON] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    result: Mapping[str, JSON] | None
    error: Mapping[str, JSON] | None
    owner: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """The wire form."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state.value,
            "progress": self.progress,
            "created_at": rfc3339(self.created_at),
            "started_at": rfc3339(self.started_at) if self.started_at else None,
            "finished_at": rfc3339(self.finished_at) if self.finished_at else None,
            "attempt": self.attempt,
            "result": self.result,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Self:
        """Read the wire form.

        Raises
        ------
        PayloadInvalid
            If a field is missing or of the wrong type.
        """
        return cls(
            id=fields.text(document, "id"),
            kind=fields.text(document, "kind"),
            state=fields.member(document, "state", JobState),
            progress=fields.optional_mapping(document, "progress"),
            created_at=fields.moment(document, "created_at"),
            started_at=fields.optional_moment(document, "started_at"),
            finished_at=fields.optional_moment(document, "finished_at"),
            attempt=fields.whole(document, "attempt"),
            result=fields.optional_mapping(document, "result"),
            error=fields.optional_mapping(document, "error"),
        )


class JobMissing(AppError):
    """There is no job of this id."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "job.missing"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}", job=job_id)


class IdempotencyConflict(AppError):
    """The key was used within the last 24 h for another request."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "job.idempotency_conflict"

    def __init__(self, job_id: str) -> None:
        super().__init__("this Idempotency-Key was used for another request; its job is named here", job=job_id)


class CursorInvalid(AppError):
    """The cursor did not come from an earlier page of this list."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "job.cursor_invalid"

    def __init__(self) -> None:
        super().__init__("the cursor is not one that an earlier page gave")


class QueueUnavailable(AppError):
    """The queue cannot be reached: the job was not accepted and leaves no trace."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "job.queue_unavailable"

    def __init__(self) -> None:
        super().__init__("the job queue does not answer; the job was not accepted", retry_after_s=5.0)
