"""Repair of what a dying process leaves behind: jobs nobody was told of, and jobs whose worker is gone.

Every worker sweeps its queue. A verdict needs the same sight in several sweeps of one sweeper, never a comparison of
two machines' clocks, and never elapsed time: after an outage of the database a worker gets the same chances to beat as
the sweeper gets to look.
"""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine, select

from shared.contracts.job import JobState
from shared.database import read
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.delivery import Delivery
from shared.jobs.tables import TOLD, jobs
from shared.log import get_logger

SWEEP_INTERVAL_S = 2.0
# Sweeps that see no beat before a worker counts as dead: 8 s, four times the interval of the beats.
SWEEPS_TO_DEATH = 4
# A job is in neither place for a moment after it is accepted, and again after it is taken.
SWEEPS_TO_LOSS = 2

K = TypeVar("K")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Pulse:
    fence: int
    beats: int


class Sweeper:
    """Watches the jobs of one queue."""

    def __init__(self, engine: Engine, attempts: Attempts, delivery: Delivery, *, queue: str) -> None:
        self._engine = engine
        self._attempts = attempts
        self._delivery = delivery
        self._queue = queue
        self._pulses: dict[tuple[str, _Pulse], int] = {}
        self._unsent: dict[tuple[str, int], int] = {}

    def sweep(self) -> None:
        """Look once, and repair what has been seen often enough.

        Raises
        ------
        DatabaseUnavailable, QueueUnavailable
            If either does not answer; the next sweep goes on from there.
        """
        self._bury_the_dead()
        self._send_the_unsent()

    def _bury_the_dead(self) -> None:
        query = select(*TOLD).where(jobs.c.queue == self._queue, jobs.c.state == JobState.RUNNING)
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        self._pulses = _count(self._pulses, {(row.id, _Pulse(row.fence, row.beats)) for row in rows})
        for row in rows:
            if self._pulses[row.id, _Pulse(row.fence, row.beats)] <= SWEEPS_TO_DEATH:
                continue
            attempt = Attempt(
                job_id=row.id,
                kind=row.kind,
                owner=row.owner,
                payload={},
                number=row.attempt,
                max_attempts=row.max_attempts,
                fence=row.fence,
                time_limit_s=row.time_limit_s,
            )
            error = {"code": "job.worker_died", "detail": f"worker gave no sign of life, {attempt.count}"}
            state = self._attempts.give_up(attempt, error, beats=row.beats)
            if state is not None:
                log.warning("job_worker_lost", job=row.id, worker=row.worker, attempt=row.attempt, state=state.value)
            if state is JobState.QUEUED:
                self._delivery.send(row.id, row.kind)

    def _send_the_unsent(self) -> None:
        query = select(jobs.c.id, jobs.c.kind, jobs.c.fence).where(
            jobs.c.queue == self._queue, jobs.c.state == JobState.QUEUED
        )
        # The queue first: a job sent between the two looks is then seen in the database only, and only once.
        waiting = self._delivery.waiting()
        with read(self._engine) as connection:
            rows = [row for row in connection.execute(query) if row.id not in waiting]
        self._unsent = _count(self._unsent, {(row.id, row.fence) for row in rows})
        for row in rows:
            if self._unsent[row.id, row.fence] >= SWEEPS_TO_LOSS:
                self._delivery.send(row.id, row.kind)
                log.warning("job_sent_again", job=row.id)


def _count(before: dict[K, int], seen: set[K]) -> dict[K, int]:
    return {key: before.get(key, 0) + 1 for key in seen}
