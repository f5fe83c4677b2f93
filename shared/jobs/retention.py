"""What becomes of jobs after their end, and what those that have not ended still need."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, select

from shared.contracts.job import JobState
from shared.errors import JSON
from shared.jobs.store import milliseconds
from shared.jobs.tables import jobs
from shared.retention import delete_rows

_UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


def remove_ended(engine: Engine, before: datetime) -> int:
    """Remove jobs that ended before a moment; returns how many. One that waits or runs is never removed.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer.
    """
    old = jobs.c.state.not_in(_UNFINISHED) & (jobs.c.finished_at_ms < milliseconds(before))
    return delete_rows(engine, jobs, old)


def is_unfinished(job_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a job of this id waits or runs."""
    return select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.state.in_(_UNFINISHED)).exists()


def unfinished_payloads(connection: Connection, queue: str) -> Iterator[Mapping[str, JSON]]:
    """What the jobs of a queue that wait or run were given."""
    query = select(jobs.c.payload).where(jobs.c.queue == queue, jobs.c.state.in_(_UNFINISHED))
    yield from connection.execute(query).scalars()
