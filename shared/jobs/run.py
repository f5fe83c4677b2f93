"""A worker process from plain values: everything it needs is made here."""

import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from shared.clock import SystemClock
from shared.database import open_engine
from shared.errors import JSON
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.delivery import RqDelivery
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.process import Child, ChildProcess, Order
from shared.jobs.store import JobStore
from shared.jobs.sweeper import Sweeper
from shared.jobs.worker import TAKE_WAIT_S, Worker
from shared.log import get_logger
from shared.redis_client import blocking_client, waiting_client

log = get_logger(__name__)


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
    taking = waiting_client(redis_url, wait_s=TAKE_WAIT_S)
    delivery = RqDelivery(blocking_client(redis_url), queue_name, taking=taking)
    metrics = WorkerMetrics(registry)
    sweeper = Sweeper(engine, attempts, delivery, queue=queue_name)
    asked_to_end: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _frame: asked_to_end.append(number))

    def start(attempt: Attempt, handler: str) -> Child:
        return ChildProcess(
            Order(
                attempt=attempt,
                handler=handler,
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
        handlers=handlers,
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
