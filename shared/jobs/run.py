"""A worker process: everything it needs is made here, from its settings."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from shared.build_info import show_process
from shared.clock import SystemClock
from shared.database import open_engine
from shared.database_metrics import DatabaseMetrics
from shared.errors import JSON
from shared.folder_space import FolderSpace
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.delivery import RqDelivery
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.news import JobNews
from shared.jobs.probe_server import ProbeServer, Pulse
from shared.jobs.process import Child, ChildProcess, Order
from shared.jobs.store import JobStore
from shared.jobs.sweeper import Sweeper
from shared.jobs.worker import TAKE_WAIT_S, Worker
from shared.log import configure_logging, get_logger, log_crashes
from shared.redis_client import blocking_client, waiting_client
from shared.settings import ServiceSettings
from shared.startup import CannotStart, Check, load_or_exit, refuse_to_start, run_checks

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

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
        self._metrics.stands(self._queue, self._store.states(self._queue), self._store.oldest_waiting_s(self._queue))
        self._sweeper.sweep()


def worker_name(settings: ServiceSettings) -> str:
    """How a service's worker is called in logs; its jobs log as `<name>-job`."""
    return f"{settings.service}-worker"


def begin_worker(settings_class: type[SettingsT], checks: Callable[[SettingsT], Sequence[Check]]) -> SettingsT:
    """What a worker does first: settings, logs, checks; exits 78 and says why where it cannot start."""
    settings = load_or_exit(settings_class)
    name = worker_name(settings)
    configure_logging(service=name, level=settings.log_level, folder=settings.log_dir)
    log_crashes()
    try:
        run_checks(checks(settings))
    except CannotStart as error:
        refuse_to_start(name, error.reasons)
    return settings


def worker_metrics(
    settings: ServiceSettings,
    registry: CollectorRegistry,
    engine: Engine,
    *,
    collectors: Iterable[Collector] = (),
    beat: Callable[[], None] = lambda: None,
) -> WorkerMetrics:
    """Everything that a worker shows at `/metrics`."""
    show_process(registry, service=worker_name(settings), revision=settings.revision)
    DatabaseMetrics(registry, engine)
    FolderSpace(registry, settings.folders())
    for collector in collectors:
        registry.register(collector)
    return WorkerMetrics(registry, beat)


def run_worker(
    settings: ServiceSettings,
    *,
    queue_name: str,
    handlers: Mapping[str, str],
    options: Mapping[str, JSON],
    collectors: Callable[[Engine], Iterable[Collector]] = lambda _: (),
) -> None:
    """What `services/X/worker.py` calls: work on a queue until SIGTERM or SIGINT.

    After the signal the current job may go on for `settings.drain_s`; then it is given back without costing it an
    attempt. `/metrics` and `/healthz` are served on the port of the settings.

    Parameters
    ----------
    handlers
        For each kind of job `"package.module:function"`, a `Callable[[JobContext], Mapping[str, JSON]]`; imported in
        the child of a job only.
    options
        JSON that every handler finds in its context.
    collectors
        Makes what else is shown at `/metrics`, from the database of the settings.
    """
    database_url, redis_url = settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()
    registry = CollectorRegistry()
    clock = SystemClock()
    engine = open_engine(database_url)
    attempts = Attempts(engine, clock, JobNews(blocking_client(redis_url)).tell)
    taking = waiting_client(redis_url, wait_s=TAKE_WAIT_S)
    delivery = RqDelivery(blocking_client(redis_url), queue_name, taking=taking)
    pulse = Pulse(clock)
    metrics = worker_metrics(settings, registry, engine, collectors=collectors(engine), beat=pulse.beat)
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
                log_service=worker_name(settings),
                log_level=settings.log_level,
                log_dir=None if settings.log_dir is None else str(settings.log_dir),
                redis_url=redis_url,
                traces=settings.traces,
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
        drain_s=settings.drain_s,
        clock=clock,
        sleep=time.sleep,
    )
    server = None
    if settings.enable_monitoring:
        server = ProbeServer(
            settings.host, settings.port, service=worker_name(settings), registry=registry, pulse=pulse
        )
        server.start()
    log.info("worker_started", queue=queue_name, kinds=sorted(handlers))
    try:
        worker.run()
    finally:
        if server is not None:
            server.stop()
        engine.dispose()
        log.info("worker_stopped", queue=queue_name)
