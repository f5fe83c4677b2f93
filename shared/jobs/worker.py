"""The worker: takes one job after the other, and sees each through to an end that is written down."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, start_http_server

from shared.clock import Clock, SystemClock
from shared.contracts.job import JobState, QueueUnavailable
from shared.database import DatabaseUnavailable, open_engine
from shared.errors import JSON
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.delivery import Delivery, RqDelivery
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.process import Child, ChildProcess, Order
from shared.jobs.store import JobStore
from shared.jobs.sweeper import SWEEP_INTERVAL_S, Sweeper
from shared.log import get_logger
from shared.redis_client import waiting_client

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
    start
        Starts the child for an attempt.
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
        start: Callable[[Attempt], Child],
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
        log.info("job_started", job=attempt.job_id, kind=attempt.kind, attempt=attempt.number)
        began_s = self._clock.monotonic_s()
        child = self._start(attempt)
        settle = self._watch(attempt, child, began_s)
        child.kill()
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
            if not self._attempts.holds(attempt):
                return self._attempts.state(attempt.job_id) is JobState.SUCCEEDED
            self._sweep()
        except (QueueUnavailable, DatabaseUnavailable) as error:
            # The child needs neither until it is done, and waits for the database then.
            log.warning("worker_waits", code=error.code, job=attempt.job_id)
        return True

    def _sweep(self) -> None:
        if self._sweep_time.due():
            self._sweeper.sweep()


def _too_long(attempt: Attempt) -> dict[str, JSON]:
    detail = f"stopped after its time limit of {attempt.time_limit_s:g} s"
    return {"code": "job.time_limit", "detail": detail, "time_limit_s": attempt.time_limit_s}


def _died(attempt: Attempt, code: int) -> dict[str, JSON]:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return {"code": "job.worker_died", "detail": f"worker process died ({how}), {attempt.count}"}


class _MeteredSweeper:
    """Sweeps, and measures the queue on the way."""

    def __init__(self, sweeper: Sweeper, store: JobStore, metrics: WorkerMetrics, queue: str) -> None:
        self._sweeper = sweeper
        self._store = store
        self._metrics = metrics
        self._queue = queue

    def sweep(self) -> None:
        self._metrics.waiting(self._queue, self._store.queue_depths())
        self._sweeper.sweep()


def run_worker(
    *,
    queue_name: str,
    handlers: Mapping[str, str],
    database_url: str,
    redis_url: str,
    options: Mapping[str, JSON],
    registry: CollectorRegistry,
    metrics_address: tuple[str, int] | None,
    log_service: str,
    log_level: str,
    log_dir: Path | None,
    drain_s: float,
) -> None:
    """What `services/X/worker.py` calls: work on a queue until SIGTERM or SIGINT.

    Parameters
    ----------
    handlers
        For each kind of job `"package.module:function"`, a `Callable[[JobContext], Mapping[str, JSON]]`; imported in
        the child of a job only.
    options
        JSON that every handler finds in its context.
    metrics_address
        Host and port that serve `/metrics`; `None` serves none.
    log_service, log_level, log_dir
        As the worker's own logs; a job writes to `<log_dir>/<log_service>-job.log`.
    drain_s
        How long the current job may go on after the signal; then it is given back without costing it an attempt.
    """
    clock = SystemClock()
    engine = open_engine(database_url)
    attempts = Attempts(engine, clock)
    delivery = RqDelivery(waiting_client(redis_url, wait_s=TAKE_WAIT_S), queue_name)
    metrics = WorkerMetrics(registry)
    sweeper = Sweeper(engine, attempts, delivery, queue=queue_name)
    asked_to_end: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _frame: asked_to_end.append(number))

    def start(attempt: Attempt) -> Child:
        return ChildProcess(
            Order(
                attempt=attempt,
                handler=handlers[attempt.kind],
                database_url=database_url,
                options=options,
                log_service=log_service,
                log_level=log_level,
                log_dir=None if log_dir is None else str(log_dir),
            )
        )

    worker = Worker(
        name=f"{socket.gethostname()}:{os.getpid()}",
        attempts=attempts,
        delivery=delivery,
        sweeper=_MeteredSweeper(sweeper, JobStore(engine, clock), metrics, queue_name),
        metrics=metrics,
        start=start,
        stopping=lambda: bool(asked_to_end),
        drain_s=drain_s,
        clock=clock,
        sleep=time.sleep,
    )
    server = None if metrics_address is None else start_http_server(metrics_address[1], metrics_address[0], registry)
    log.info("worker_started", queue=queue_name, kinds=sorted(handlers))
    try:
        worker.run()
    finally:
        if server is not None:
            server[0].shutdown()
            server[0].server_close()
        engine.dispose()
        log.info("worker_stopped", queue=queue_name)
