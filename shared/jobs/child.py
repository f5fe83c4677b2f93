"""The process that does one job and ends: `python -m shared.jobs.child PARENT_PID`, told the rest on its input.

A process of its own gives memory back, contains a crash, can be killed at any time, and keeps what a handler imports
out of the worker.
"""

import ctypes
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from shared.clock import Clock, SystemClock
from shared.database import DatabaseUnavailable, open_engine
from shared.errors import JSON, AppError, Kind
from shared.http.request_id import set_request_id
from shared.jobs.attempts import Attempt, AttemptLost, Attempts
from shared.jobs.context import JobContext
from shared.jobs.news import JobNews, tell_nobody
from shared.jobs.process import Order
from shared.log import configure_logging, get_logger, log_crashes
from shared.redis_client import blocking_client
from shared.tracing import Attributes, Tracer, open_tracer, working_on

Handler = Callable[[JobContext], Mapping[str, JSON]]

# How long a finished result waits for a database that is away: hours of work are worth a failover.
COMMIT_PATIENCE_S = 60.0
RETRY_PAUSE_S = 2.0
_PR_SET_PDEATHSIG = 1
# On a machine that is shared with the services: a training may take longer, an answer may not.
NICENESS = 5

log = get_logger(__name__)


def main() -> None:
    """Run the job that standard input describes."""
    die_with(int(sys.argv[1]))
    os.nice(NICENESS)
    order = Order.read(sys.stdin.buffer.read())
    # A file of its own: two processes cannot rotate one.
    folder = None if order.log_dir is None else Path(order.log_dir)
    configure_logging(service=f"{order.log_service}-job", level=order.log_level, folder=folder)
    log_crashes()
    clock = SystemClock()
    engine = open_engine(order.database_url)
    attempt = order.attempt
    tell = tell_nobody if order.redis_url is None else JobNews(blocking_client(order.redis_url)).tell
    attempts = Attempts(engine, clock, tell)
    context = JobContext(attempt, attempts, options=order.options, engine=engine, clock=clock)
    structlog.contextvars.bind_contextvars(request_id=attempt.request_id or "-")
    set_request_id(attempt.request_id or "-")
    with traced(attempt, open_tracer(order.traces, f"{order.log_service}-job"), lambda: context.committed):
        perform(order.handler, attempt, attempts, context, clock=clock, sleep=time.sleep)
    engine.dispose()


@contextmanager
def traced(attempt: Attempt, tracer: Tracer | None, succeeded: Callable[[], bool]) -> Iterator[None]:
    """Go on with the trace of the request that asked for the job, where there is one to go on with."""
    if tracer is None:
        yield
        return
    span = tracer.begin(f"job {attempt.kind}", attempt.traceparent)
    structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
    facts: Attributes = {
        "futago.job_id": attempt.job_id,
        "futago.attempt": attempt.number,
        "futago.request_id": attempt.request_id or "-",
    }
    try:
        with working_on(span):
            yield
    finally:
        span.end(facts, failed=not succeeded())
        tracer.close()


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its worker dies, however it dies; on Linux only.

    A job whose worker is gone is given to another: a child that went on would burn a processor for nothing.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        # It died before the call above, so nothing would tell us.
        sys.exit("the worker is gone")


def perform(
    handler: str,
    attempt: Attempt,
    attempts: Attempts,
    context: JobContext,
    *,
    clock: Clock,
    sleep: Callable[[float], None],
) -> None:
    """Call the handler and write down how the attempt ended."""
    try:
        result = _load(handler)(context)
        if not context.committed:
            _patiently(lambda: context.commit(lambda _connection: result), clock, sleep)
    except AttemptLost:
        log.info("job_attempt_lost", job=attempt.job_id, attempt=attempt.number)
    except AppError as error:
        _note_app_error(error, attempt, attempts, context, clock=clock, sleep=sleep)
    except Exception as error:
        # The boundary of the process: a bug fails the job, and is logged.
        log.exception("job_crashed", job=attempt.job_id, kind=attempt.kind)
        if not context.committed:
            detail = f"unexpected {type(error).__name__}; the log holds the details under this job's id"
            failure = {"code": "job.crashed", "detail": detail}
            _patiently(lambda: attempts.fail(attempt, failure), clock, sleep)


def _note_app_error(
    error: AppError,
    attempt: Attempt,
    attempts: Attempts,
    context: JobContext,
    *,
    clock: Clock,
    sleep: Callable[[float], None],
) -> None:
    log.warning("job_failed", job=attempt.job_id, kind=attempt.kind, code=error.code, committed=context.committed)
    if context.committed:
        return
    if error.kind is Kind.UNAVAILABLE:
        # Something the job needs is away, which says nothing about the job.
        sleep(RETRY_PAUSE_S * attempt.number)
        _patiently(lambda: attempts.give_up(attempt, error_of(error)), clock, sleep)
    else:
        _patiently(lambda: attempts.fail(attempt, error_of(error)), clock, sleep)


def error_of(error: AppError) -> dict[str, JSON]:
    """The `error` of a job, in the words of the problem document a request would have got."""
    told: dict[str, JSON] = {**error.facts, "code": error.code, "detail": error.message}
    if error.faults:
        told["errors"] = [{**fault.facts, "pointer": fault.pointer, "detail": fault.detail} for fault in error.faults]
    return told


def _patiently(write: Callable[[], object], clock: Clock, sleep: Callable[[float], None]) -> None:
    deadline_s = clock.monotonic_s() + COMMIT_PATIENCE_S
    while True:
        try:
            write()
        except DatabaseUnavailable:
            if clock.monotonic_s() >= deadline_s:
                raise
            log.warning("job_waits_for_database")
            sleep(1.0)
        else:
            return


def _load(handler: str) -> Handler:
    module, _, name = handler.partition(":")
    loaded: Handler = getattr(importlib.import_module(module), name)
    return loaded


if __name__ == "__main__":
    main()
