"""The worker: takes one job after the other, and sees each through to an end that is written down."""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from shared.clock import Clock
from shared.contracts.job import JobState, QueueUnavailable
from shared.database import DatabaseUnavailable
from shared.errors import JSON
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.delivery import Delivery
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.process import Child
from shared.jobs.sweeper import SWEEP_INTERVAL_S
from shared.log import get_logger

# Shorter than the time a supervisor waits for an idle worker to go.
TAKE_WAIT_S = 1
# A cancelled child lives no longer than this.
POLL_S = 0.25
BEAT_INTERVAL_S = 2.0
BACK_OFF_S = 1.0

log = get_logger(__name__)


class Sweeps(Protocol):
    """Repairs the queue, one look at a time."""

    def sweep(self) -> None: ...


class Every:
    """Says when it is time again."""

    def __init__(self, interval_s: float, clock: Clock) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._next_s = clock.monotonic_s()

    def due(self) -> bool:
        """Whether the interval has passed since this last said so."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._interval_s
        return True


class Worker:
    """One job at a time, in a child process each.

    Parameters
    ----------
    handlers
        For each kind of job the name of its handler, `"package.module:function"`.
    start
        Starts the child that runs a handler for an attempt.
    stopping
        Whether the process was asked to end.
    drain_s
        How long a job may still run then, before it is given back to the queue.
    """

    def __init__(
        self,
        *,
        name: str,
        attempts: Attempts,
        delivery: Delivery,
        sweeper: Sweeps,
        metrics: WorkerMetrics,
        handlers: Mapping[str, str],
        start: Callable[[Attempt, str], Child],
        stopping: Callable[[], bool],
        drain_s: float,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self._name = name
        self._attempts = attempts
        self._delivery = delivery
        self._sweeper = sweeper
        self._metrics = metrics
        self._handlers = handlers
        self._start = start
        self._stopping = stopping
        self._drain_s = drain_s
        self._clock = clock
        self._sleep = sleep
        self._sweep_time = Every(SWEEP_INTERVAL_S, clock)

    def run(self) -> None:
        """Work until asked to end."""
        while not self._stopping():
            self._metrics.alive()
            try:
                self._sweep()
                job_id = self._delivery.take(TAKE_WAIT_S)
                # A message taken for nothing, should the database be away now, is sent again by a sweeper.
                attempt = None if job_id is None else self._attempts.claim(job_id, self._name)
            except (QueueUnavailable, DatabaseUnavailable) as error:
                log.warning("worker_waits", code=error.code)
                self._sleep(BACK_OFF_S)
                continue
            if attempt is not None:
                self._see_through(attempt)

    def _see_through(self, attempt: Attempt) -> None:
        with structlog.contextvars.bound_contextvars(request_id=attempt.request_id or "-"):
            self._follow(attempt)

    def _follow(self, attempt: Attempt) -> None:
        log.info("job_started", job=attempt.job_id, kind=attempt.kind, attempt=attempt.number)
        began_s = self._clock.monotonic_s()
        settle = self._run_child(attempt, began_s)
        try:
            settle()
            state = self._attempts.state(attempt.job_id)
            if state is JobState.QUEUED:
                self._delivery.send(attempt.job_id, attempt.kind)
        except (QueueUnavailable, DatabaseUnavailable) as error:
            # The row tells a sweeper what is left to do.
            log.warning("job_left_to_sweeper", job=attempt.job_id, code=error.code)
            return
        duration_s = self._clock.monotonic_s() - began_s
        self._metrics.attempt_ended(attempt.kind, state, duration_s)
        log.info("job_attempt_ended", job=attempt.job_id, state=state.value, duration_s=round(duration_s, 3))

    def _run_child(self, attempt: Attempt, began_s: float) -> Callable[[], object]:
        handler = self._handlers.get(attempt.kind)
        if handler is None:
            return lambda: self._attempts.fail(attempt, _unknown(attempt))
        child = self._start(attempt, handler)
        try:
            return self._watch(attempt, child, began_s)
        finally:
            child.kill()

    def _watch(self, attempt: Attempt, child: Child, began_s: float) -> Callable[[], object]:
        """Wait for the end of the child, or for a reason to end it; gives what is then to be written down."""
        beat_time = Every(BEAT_INTERVAL_S, self._clock)
        leave_s: float | None = None
        while (code := child.wait(POLL_S)) is None:
            self._metrics.alive()
            now_s = self._clock.monotonic_s()
            if now_s - began_s > attempt.time_limit_s:
                return lambda: self._attempts.fail(attempt, _too_long(attempt))
            if self._stopping():
                leave_s = now_s + self._drain_s if leave_s is None else leave_s
                if now_s >= leave_s:
                    return lambda: self._attempts.give_back(attempt)
            if not self._keep(attempt, beat_time):
                return lambda: None
        # One that has written down its own end no longer holds the job, and this changes nothing.
        return lambda: self._attempts.give_up(attempt, _died(attempt, code))

    def _keep(self, attempt: Attempt, beat_time: Every) -> bool:
        try:
            if beat_time.due():
                self._attempts.beat(attempt)
            if self._attempts.standing(attempt) is None:
                return False
            self._sweep()
        except (QueueUnavailable, DatabaseUnavailable) as error:
            # The child needs neither until it is done, and waits for the database then.
            log.warning("worker_waits", code=error.code, job=attempt.job_id)
        return True

    def _sweep(self) -> None:
        if self._sweep_time.due():
            self._sweeper.sweep()


def _unknown(attempt: Attempt) -> dict[str, JSON]:
    return {"code": "job.kind_unknown", "detail": f"no worker knows the kind {attempt.kind!r}"}


def _too_long(attempt: Attempt) -> dict[str, JSON]:
    detail = f"stopped after its time limit of {attempt.time_limit_s:g} s"
    return {"code": "job.time_limit", "detail": detail, "time_limit_s": attempt.time_limit_s}


def _died(attempt: Attempt, code: int) -> dict[str, JSON]:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return {"code": "job.worker_died", "detail": f"worker process died ({how}), {attempt.count}"}
