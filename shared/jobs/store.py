"""Reading jobs, and cancelling them: what needs the database but no queue."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select, tuple_, update

from shared.clock import Clock
from shared.contracts.job import CursorInvalid, Job, JobMissing, JobState
from shared.database import read, write
from shared.jobs.news import Tell, tell_nobody
from shared.jobs.tables import TOLD, jobs

_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class JobPage:
    """A part of the list of jobs; `next_cursor` is `None` on the last one."""

    items: tuple[Job, ...]
    next_cursor: str | None


class JobStore:
    """The jobs in the database.

    Parameters
    ----------
    tell
        Hears of a job that was cancelled.
    """

    def __init__(self, engine: Engine, clock: Clock, tell: Tell = tell_nobody) -> None:
        self._engine = engine
        self._clock = clock
        self._tell = tell

    def get(self, job_id: str) -> Job:
        """Look up one job.

        Raises
        ------
        JobMissing
            If there is none of this id.
        """
        with read(self._engine) as connection:
            row = connection.execute(select(*TOLD).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise JobMissing(job_id)
        return job_of(row)

    def list(self, *, owner: str | None = None, limit: int = 50, cursor: str | None = None) -> JobPage:
        """One page of jobs, newest first.

        Parameters
        ----------
        owner
            Only the jobs of this principal; `None` for everybody's.
        cursor
            `next_cursor` of the page before.

        Raises
        ------
        CursorInvalid
            If the cursor is not one this list gave.
        """
        query = select(*TOLD).order_by(jobs.c.created_at_ms.desc(), jobs.c.id.desc()).limit(limit + 1)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if cursor is not None:
            query = query.where(tuple_(jobs.c.created_at_ms, jobs.c.id) < tuple_(*_position(cursor)))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        more = len(rows) > limit
        return JobPage(
            items=tuple(job_of(row) for row in rows[:limit]),
            next_cursor=_cursor(rows[limit - 1]) if more else None,
        )

    def queue_depths(self) -> Mapping[str, int]:
        """How many jobs wait in each queue that has any."""
        query = (
            select(jobs.c.queue, func.count().label("depth"))
            .where(jobs.c.state == JobState.QUEUED)
            .group_by(jobs.c.queue)
        )
        with read(self._engine) as connection:
            return {row.queue: row.depth for row in connection.execute(query)}

    def states(self, queue: str) -> Mapping[JobState, int]:
        """How many jobs of a queue are kept in each state; zero where there is none."""
        query = select(jobs.c.state, func.count().label("count")).where(jobs.c.queue == queue).group_by(jobs.c.state)
        with read(self._engine) as connection:
            found = {JobState(row.state): int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def oldest_waiting_s(self, queue: str) -> float:
        """Age of the job that has waited longest in a queue [s]; 0 where none waits."""
        oldest = select(func.min(jobs.c.created_at_ms)).where(jobs.c.queue == queue, jobs.c.state == JobState.QUEUED)
        with read(self._engine) as connection:
            created_at_ms = connection.execute(oldest).scalar()
        return 0.0 if created_at_ms is None else max(milliseconds(self._clock.now()) - created_at_ms, 0) / 1000

    def cancel(self, job_id: str) -> Job:
        """Stop a job for good; one that has ended stays as it is.

        From the moment this returns nothing the job does is published; its worker kills it within a second.

        Raises
        ------
        JobMissing
            If there is none of this id.
        """
        cancelled = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.in_([JobState.QUEUED, JobState.RUNNING]))
            .values(state=JobState.CANCELLED, fence=jobs.c.fence + 1, finished_at_ms=milliseconds(self._clock.now()))
        )
        with write(self._engine) as connection:
            stopped = connection.execute(cancelled).rowcount > 0
        job = self.get(job_id)
        if stopped:
            self._tell(job)
        return job


def milliseconds(moment: datetime) -> int:
    """Unix time of an aware moment [ms]."""
    return round(moment.timestamp() * 1000)


def job_of(row: Row[Any]) -> Job:
    """The job a row of the table stands for."""
    return Job(
        id=row.id,
        kind=row.kind,
        state=JobState(row.state),
        progress=row.progress,
        created_at=_moment(row.created_at_ms),
        started_at=None if row.started_at_ms is None else _moment(row.started_at_ms),
        finished_at=None if row.finished_at_ms is None else _moment(row.finished_at_ms),
        attempt=row.attempt,
        result=row.result,
        error=row.error,
        owner=row.owner,
    )


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


def _cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created_at_ms, row.id]).encode()).decode()


def _position(cursor: str) -> tuple[int, str]:
    try:
        created_at_ms, job_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise CursorInvalid from error
    # Both databases hold 64-bit integers: a larger one would be an error of the driver.
    if type(created_at_ms) is not int or abs(created_at_ms) >= 2**63 or not isinstance(job_id, str):
        raise CursorInvalid
    if len(job_id) != _ID_LENGTH or not job_id.isascii() or not job_id.isalnum():
        raise CursorInvalid
    return created_at_ms, job_id
