"""Accepting jobs: the row first, then the message, so that an accepted job is never lost."""

import hashlib
import json
from collections.abc import Mapping
from uuid import uuid4

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.contracts.job import IdempotencyConflict, Job, JobState, QueueUnavailable
from shared.database import write
from shared.errors import JSON
from shared.http.request_id import current_request_id
from shared.jobs.delivery import Delivery
from shared.jobs.news import Tell, tell_nobody
from shared.jobs.store import job_of, milliseconds
from shared.jobs.tables import TOLD, jobs
from shared.tracing import current_traceparent

IDEMPOTENCY_WINDOW_MS = 24 * 3600 * 1000


class JobQueue:
    """Takes jobs for the workers of one queue.

    Parameters
    ----------
    queue
        Name of the queue, the same as the `queue_name` of its workers.
    tell
        Hears of each job that was accepted.
    """

    def __init__(
        self, engine: Engine, delivery: Delivery, *, queue: str, clock: Clock, tell: Tell = tell_nobody
    ) -> None:
        self._engine = engine
        self._delivery = delivery
        self._queue = queue
        self._clock = clock
        self._tell = tell

    def submit(
        self,
        kind: str,
        payload: Mapping[str, JSON],
        *,
        owner: str,
        time_limit_s: float,
        idempotency_key: str | None = None,
        max_attempts: int = 3,
    ) -> Job:
        """Accept a job, or find the one that the same request made before.

        If the process dies between row and message, a sweeper sends the message. If Redis is away the row is taken
        back: the caller is told to try again, and must not find the work done twice.

        Parameters
        ----------
        payload
            What the handler needs; JSON, without NaN.
        owner
            Subject of the principal it is made for; idempotency keys are the owner's own.
        time_limit_s
            Longest run of one attempt [s]; then it is killed and the job fails.
        idempotency_key
            Names the request for 24 h.
        max_attempts
            How often the job is started before a dying worker process makes it fail.

        Raises
        ------
        IdempotencyConflict
            If the key was used for another kind or payload.
        QueueUnavailable
            If Redis does not answer; nothing is left behind.
        """
        now_ms = milliseconds(self._clock.now())
        row = {
            "id": uuid4().hex,
            "kind": kind,
            "queue": self._queue,
            "owner": owner,
            "state": JobState.QUEUED,
            "payload": dict(payload),
            "idempotency_digest": None if idempotency_key is None else _digest(idempotency_key),
            "body_digest": _digest([self._queue, kind, payload]),
            "attempt": 0,
            "max_attempts": max_attempts,
            "time_limit_s": time_limit_s,
            "fence": 0,
            "beats": 0,
            "created_at_ms": now_ms,
            "request_id": current_request_id(),
            "traceparent": current_traceparent(),
        }
        try:
            job = self._insert(row, expired_before_ms=now_ms - IDEMPOTENCY_WINDOW_MS)
        except IntegrityError:
            # Only the idempotency key is unique beside the random id.
            return self._earlier(row)
        # Before the worker hears of it, whose own news would otherwise come first.
        self._tell(job)
        try:
            self._delivery.send(job.id, kind)
        except QueueUnavailable:
            if self._take_back(job.id):
                raise
            # The message got through all the same and a worker was quick, or another caller was told of the job:
            # then a sweeper sends it when Redis is back.
        return job

    def _insert(self, row: Mapping[str, object], *, expired_before_ms: int) -> Job:
        key = (jobs.c.owner == row["owner"]) & (jobs.c.idempotency_digest == row["idempotency_digest"])
        expired = key & (jobs.c.created_at_ms <= expired_before_ms)
        with write(self._engine) as connection:
            if row["idempotency_digest"] is not None:
                connection.execute(update(jobs).where(expired).values(idempotency_digest=None))
            return job_of(connection.execute(insert(jobs).values(row).returning(*TOLD)).one())

    def _earlier(self, row: Mapping[str, object]) -> Job:
        key = (jobs.c.owner == row["owner"]) & (jobs.c.idempotency_digest == row["idempotency_digest"])
        # Now that a second caller is told of the job, the first may no longer take it back.
        promised = update(jobs).where(key, _untouched()).values(fence=jobs.c.fence + 1)
        with write(self._engine) as connection:
            connection.execute(promised)
            earlier = connection.execute(select(*TOLD).where(key)).one_or_none()
        if earlier is None:
            # The other request with this key was just taken back because Redis is away.
            raise QueueUnavailable
        if earlier.body_digest != row["body_digest"]:
            raise IdempotencyConflict(earlier.id)
        return job_of(earlier)

    def _take_back(self, job_id: str) -> bool:
        with write(self._engine) as connection:
            return connection.execute(delete(jobs).where(jobs.c.id == job_id, _untouched())).rowcount > 0


def _untouched() -> ColumnElement[bool]:
    return and_(jobs.c.state == JobState.QUEUED, jobs.c.fence == 0)


def _digest(document: JSON) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
