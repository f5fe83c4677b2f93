"""The life of one attempt at a job, as conditional updates of its row.

Delivery is at least once, so two workers may be told of one job, and a worker believed dead may come back. Every
statement here names the fence its attempt was given: an attempt that has lost its job changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, and_, select, update

from shared.clock import Clock
from shared.contracts.job import JobState
from shared.database import read, write
from shared.errors import JSON
from shared.jobs.news import Tell, tell_nobody
from shared.jobs.store import job_of, milliseconds
from shared.jobs.tables import TOLD, jobs

T = TypeVar("T")


class AttemptLost(Exception):
    """The job was cancelled, or given to another attempt: whatever this one still does is void."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to work on a job, held until its row's fence moves on.

    Parameters
    ----------
    request_id, traceparent
        Of the request that asked for the job.
    """

    job_id: str
    kind: str
    owner: str
    payload: Mapping[str, JSON]
    number: int
    max_attempts: int
    fence: int
    time_limit_s: float
    request_id: str | None = None
    traceparent: str | None = None

    @property
    def count(self) -> str:
        """Which attempt this is, for people."""
        return f"attempt {self.number} of {self.max_attempts}"


class Attempts:
    """Transitions between the states of a job.

    Parameters
    ----------
    tell
        Hears of each, once it is committed.
    """

    def __init__(self, engine: Engine, clock: Clock, tell: Tell = tell_nobody) -> None:
        self._engine = engine
        self._clock = clock
        self._tell = tell

    def claim(self, job_id: str, worker: str) -> Attempt | None:
        """Take a queued job; `None` where it is gone, ended or somebody else's by now."""
        claimed = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
            .values(
                state=JobState.RUNNING,
                attempt=jobs.c.attempt + 1,
                fence=jobs.c.fence + 1,
                worker=worker,
                started_at_ms=milliseconds(self._clock.now()),
            )
            .returning(jobs)
        )
        with write(self._engine) as connection:
            row = connection.execute(claimed).one_or_none()
        if row is None:
            return None
        self._tell(job_of(row))
        return Attempt(
            job_id=row.id,
            kind=row.kind,
            owner=row.owner,
            payload=row.payload,
            number=row.attempt,
            max_attempts=row.max_attempts,
            fence=row.fence,
            time_limit_s=row.time_limit_s,
            request_id=row.request_id,
            traceparent=row.traceparent,
        )

    def standing(self, attempt: Attempt) -> JobState | None:
        """What the attempt has made of the job; `None` where it was cancelled or is another attempt's by now."""
        query = select(jobs.c.state).where(jobs.c.id == attempt.job_id, jobs.c.fence == attempt.fence)
        with read(self._engine) as connection:
            state = connection.execute(query).scalar_one_or_none()
        return None if state is None else JobState(state)

    def state(self, job_id: str) -> JobState:
        """The state of a job that exists."""
        with read(self._engine) as connection:
            return JobState(connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one())

    def beat(self, attempt: Attempt) -> None:
        """Show that the attempt lives; silent where it has lost its job, which `standing` tells."""
        with write(self._engine) as connection:
            connection.execute(update(jobs).where(_held(attempt)).values(beats=jobs.c.beats + 1))

    def report(self, attempt: Attempt, progress: Mapping[str, JSON]) -> None:
        """Write progress.

        Raises
        ------
        AttemptLost
            If the job is no longer this attempt's.
        """
        if not self._update(attempt, {"progress": progress}):
            raise AttemptLost(attempt.job_id)

    def succeed(
        self,
        attempt: Attempt,
        action: Callable[[Connection], Mapping[str, JSON]],
        progress: Mapping[str, JSON] | None,
    ) -> Mapping[str, JSON]:
        """Run the action and publish what it returns as the job's result, both or neither.

        Raises
        ------
        AttemptLost
            If the job is no longer this attempt's; the action has not run.
        """
        with write(self._engine) as connection:
            ended: dict[str, Any] = {"state": JobState.SUCCEEDED, "finished_at_ms": milliseconds(self._clock.now())}
            if progress is not None:
                ended["progress"] = progress
            # First, so that PostgreSQL locks the row: nobody can cancel between this check and the commit.
            if not connection.execute(update(jobs).where(_held(attempt)).values(**ended)).rowcount:
                raise AttemptLost(attempt.job_id)
            result = action(connection)
            published = update(jobs).where(jobs.c.id == attempt.job_id).values(result=result).returning(*TOLD)
            row = connection.execute(published).one()
        self._tell(job_of(row))
        return result

    def save(self, attempt: Attempt, action: Callable[[Connection], T]) -> T:
        """Run the action in a transaction that only the holder of the job can commit; the job goes on.

        Raises
        ------
        AttemptLost
            If the job is no longer this attempt's; the action has not run.
        """
        with write(self._engine) as connection:
            if not connection.execute(update(jobs).where(_held(attempt)).values(beats=jobs.c.beats + 1)).rowcount:
                raise AttemptLost(attempt.job_id)
            return action(connection)

    def fail(self, attempt: Attempt, error: Mapping[str, JSON]) -> bool:
        """End the job for good; `False` where it is no longer this attempt's."""
        ended_ms = milliseconds(self._clock.now())
        return self._update(attempt, {"state": JobState.FAILED, "error": error, "finished_at_ms": ended_ms})

    def give_up(self, attempt: Attempt, error: Mapping[str, JSON], *, beats: int | None = None) -> JobState | None:
        """The attempt came to nothing through no fault of the job: queue it again, or fail it where it has no more.

        Parameters
        ----------
        error
            What happened, kept where this was the last attempt.
        beats
            Only if the heartbeat still stands at this count.

        Returns
        -------
        The new state, `None` where the job is no longer this attempt's.
        """
        values: dict[str, Any] = {"state": JobState.QUEUED}
        if attempt.number >= attempt.max_attempts:
            last = {**error, "attempts": attempt.number}
            ended_ms = milliseconds(self._clock.now())
            values = {"state": JobState.FAILED, "error": last, "finished_at_ms": ended_ms}
        still = jobs.c.beats == beats if beats is not None else None
        changed = self._update(attempt, {**values, "fence": jobs.c.fence + 1}, still)
        return values["state"] if changed else None

    def give_back(self, attempt: Attempt) -> bool:
        """Queue the job again as if this attempt had not been: its worker has to leave, the job did nothing wrong."""
        returned = {"state": JobState.QUEUED, "attempt": jobs.c.attempt - 1, "fence": jobs.c.fence + 1}
        return self._update(attempt, returned)

    def _update(self, attempt: Attempt, values: Mapping[str, Any], also: ColumnElement[bool] | None = None) -> bool:
        condition = _held(attempt) if also is None else and_(_held(attempt), also)
        with write(self._engine) as connection:
            changed = update(jobs).where(condition).values(values).returning(*TOLD)
            row = connection.execute(changed).one_or_none()
        if row is None:
            return False
        self._tell(job_of(row))
        return True


def _held(attempt: Attempt) -> ColumnElement[bool]:
    return and_(
        jobs.c.id == attempt.job_id,
        jobs.c.state == JobState.RUNNING,
        jobs.c.fence == attempt.fence,
    )
