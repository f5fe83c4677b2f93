"""The worker's decisions, with a child, a queue and a clock that follow a script; and the child's own."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Connection

from shared.contracts.job import Job, JobState, QueueUnavailable
from shared.database import DatabaseUnavailable, open_engine
from shared.errors import JSON, AppError, Fault, Kind
from shared.jobs import JobContext, JobQueue, JobStore, migrate_jobs
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.child import COMMIT_PATIENCE_S, die_with, perform
from shared.jobs.metrics import WorkerMetrics
from shared.jobs.process import Order
from shared.jobs.worker import Worker
from shared.tracing import TraceSettings

KIND = "test.kind"


class Clock(Protocol):
    def step(self, seconds: float) -> None: ...
    def monotonic_s(self) -> float: ...


@dataclass
class FakeDelivery:
    sent: list[str] = field(default_factory=list)
    away: bool = False

    def send(self, job_id: str, kind: str) -> None:
        if self.away:
            raise QueueUnavailable
        self.sent.append(job_id)

    def take(self, wait_s: int) -> str | None:
        if self.away:
            raise QueueUnavailable
        return self.sent.pop(0) if self.sent else None

    def waiting(self) -> frozenset[str]:
        return frozenset(self.sent)


@dataclass
class FakeSweeper:
    sweeps: int = 0

    def sweep(self) -> None:
        self.sweeps += 1


@dataclass
class FakeChild:
    """Runs until a moment, then does its last deed and ends with a code."""

    clock: Clock
    ends_after_s: float
    code: int
    deed: Callable[[], object]
    killed: bool = False

    def __post_init__(self) -> None:
        self._end_s = self.clock.monotonic_s() + self.ends_after_s

    def wait(self, timeout_s: float) -> int | None:
        if self.clock.monotonic_s() < self._end_s:
            self.clock.step(timeout_s)
            return None
        self.deed()
        return self.code

    def kill(self) -> None:
        self.killed = True


class Yard:
    """A worker among fakes; it stops when its queue is empty, or when it is told to."""

    def __init__(self, url: str, clock: Clock) -> None:
        migrate_jobs(url)
        self.engine = open_engine(url)
        self.clock = clock
        self.delivery = FakeDelivery()
        self.sweeper = FakeSweeper()
        self.store = JobStore(self.engine, clock)
        self.attempts = Attempts(self.engine, clock)
        self.registry = CollectorRegistry()
        self.children: list[FakeChild] = []
        self.script: Callable[[Attempt], FakeChild] = self.succeed
        self.stop_at_s = float("inf")
        self.slept_s: list[float] = []
        self.worker = Worker(
            name="worker",
            attempts=self.attempts,
            delivery=self.delivery,
            sweeper=self.sweeper,
            metrics=WorkerMetrics(self.registry),
            handlers={KIND: "module:function"},
            start=self.start,
            stopping=self.stopping,
            drain_s=5.0,
            clock=clock,
            sleep=self.sleep,
        )

    def submit(self, *, kind: str = KIND, time_limit_s: float = 60) -> Job:
        queue = JobQueue(self.engine, self.delivery, queue="q", clock=self.clock)
        return queue.submit(kind, {}, owner="ada", time_limit_s=time_limit_s)

    def start(self, attempt: Attempt, handler: str) -> FakeChild:
        assert handler == "module:function"
        self.children.append(self.script(attempt))
        return self.children[-1]

    def child(self, *, after_s: float = 1.0, code: int = 0, deed: Callable[[], object] = lambda: None) -> FakeChild:
        return FakeChild(self.clock, after_s, code, deed)

    def succeed(self, attempt: Attempt) -> FakeChild:
        return self.child(deed=lambda: self.attempts.succeed(attempt, lambda _: {"ok": True}, None))

    def stopping(self) -> bool:
        running = bool(self.children) and not self.children[-1].killed
        return self.clock.monotonic_s() >= self.stop_at_s or not (running or self.delivery.sent)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.delivery.away = False

    def sample(self, line: str) -> bool:
        return line in generate_latest(self.registry).decode().splitlines()


@pytest.fixture
def yard(tmp_path: Path, clock: Clock) -> Iterator[Yard]:
    yard = Yard(f"sqlite:///{tmp_path / 'jobs.db'}", clock)
    yield yard
    yard.engine.dispose()


def test_a_job_that_succeeds_is_counted_and_timed(yard: Yard) -> None:
    job = yard.submit()
    yard.worker.run()
    assert yard.store.get(job.id).result == {"ok": True}
    assert yard.sample('futago_job_attempts_total{kind="test.kind",state="succeeded"} 1.0')
    assert yard.sample('futago_job_duration_seconds_sum{kind="test.kind"} 1.0')


def test_a_child_that_dies_is_replaced_at_once_until_the_attempts_are_used_up(yard: Yard) -> None:
    yard.script = lambda _: yard.child(code=-9)
    job = yard.submit()
    yard.worker.run()
    failed = yard.store.get(job.id)
    assert (failed.state, len(yard.children)) == (JobState.FAILED, 3)
    assert failed.error["detail"] == "worker process died (signal 9), attempt 3 of 3"
    assert yard.sample('futago_job_attempts_total{kind="test.kind",state="queued"} 2.0')


def test_a_child_that_ends_without_a_word_counts_as_dead(yard: Yard) -> None:
    yard.script = lambda _: yard.child(code=0)
    job = yard.submit()
    yard.worker.run()
    assert yard.store.get(job.id).error["detail"] == "worker process died (exit code 0), attempt 3 of 3"


@pytest.mark.parametrize(("runs_s", "state"), [(59.0, JobState.SUCCEEDED), (61.0, JobState.FAILED)])
def test_a_job_is_stopped_just_after_its_time_limit_and_not_before(yard: Yard, runs_s: float, state: JobState) -> None:
    def script(attempt: Attempt) -> FakeChild:
        return yard.child(after_s=runs_s, deed=yard.succeed(attempt).deed)

    yard.script = script
    job = yard.submit(time_limit_s=60)
    yard.worker.run()
    assert yard.store.get(job.id).state is state
    assert len(yard.children) == 1


def test_a_cancelled_job_has_its_child_killed_and_nothing_written(yard: Yard) -> None:
    job = yard.submit()

    def script(_: Attempt) -> FakeChild:
        yard.store.cancel(job.id)
        return yard.child(after_s=1000)

    yard.script = script
    began_s = yard.clock.monotonic_s()
    yard.worker.run()
    assert yard.children[0].killed
    assert yard.clock.monotonic_s() - began_s < 1
    assert yard.store.get(job.id).state is JobState.CANCELLED


def test_a_job_that_ends_within_the_drain_time_ends_well(yard: Yard) -> None:
    yard.script = lambda attempt: yard.child(after_s=6, deed=yard.succeed(attempt).deed)
    yard.stop_at_s = yard.clock.monotonic_s() + 2
    job = yard.submit()
    yard.worker.run()
    assert yard.store.get(job.id).state is JobState.SUCCEEDED


def test_a_job_that_outlasts_the_drain_time_is_given_back_for_another_worker(yard: Yard) -> None:
    yard.script = lambda _: yard.child(after_s=1000)
    yard.stop_at_s = yard.clock.monotonic_s() + 2
    job = yard.submit()
    yard.worker.run()
    given_back = yard.store.get(job.id)
    assert (given_back.state, given_back.attempt) == (JobState.QUEUED, 0)
    assert yard.delivery.sent == [job.id]
    assert yard.children[0].killed


def test_a_kind_without_a_handler_fails_the_job_and_not_the_worker(yard: Yard) -> None:
    unknown, known = yard.submit(kind="test.unknown"), yard.submit()
    yard.worker.run()
    assert yard.store.get(unknown.id).error["code"] == "job.kind_unknown"
    assert yard.store.get(known.id).state is JobState.SUCCEEDED


def test_a_worker_without_its_queue_waits_and_goes_on(yard: Yard) -> None:
    job = yard.submit()
    yard.delivery.away = True
    yard.worker.run()
    assert yard.slept_s == [1.0]
    assert yard.store.get(job.id).state is JobState.SUCCEEDED


def test_a_worker_sweeps_while_a_long_job_runs(yard: Yard) -> None:
    yard.script = lambda attempt: yard.child(after_s=20, deed=yard.succeed(attempt).deed)
    yard.submit()
    yard.worker.run()
    assert 9 <= yard.sweeper.sweeps <= 11


class Refused(AppError):
    kind, code = Kind.INVALID, "test.refused"


class Desk:
    """A child's side of one attempt, with a handler per test."""

    def __init__(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        self.yard = yard
        self.job = yard.submit()
        attempt = yard.attempts.claim(self.job.id, "worker")
        assert attempt is not None
        self.attempt = attempt
        self.monkeypatch = monkeypatch
        self.slept_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.yard.clock.step(seconds)

    def run(self, handler: Callable[[JobContext], Mapping[str, JSON] | None], attempts: Attempts | None = None) -> Job:
        attempts = attempts or self.yard.attempts
        self.monkeypatch.setattr(sys.modules[__name__], "handler_of_the_test", handler, raising=False)
        clock, engine = self.yard.clock, self.yard.engine
        context = JobContext(self.attempt, attempts, options={"x": 1}, engine=engine, clock=clock)
        perform(f"{__name__}:handler_of_the_test", self.attempt, attempts, context, clock=clock, sleep=self.sleep)
        return self.yard.store.get(self.job.id)


@pytest.fixture
def desk(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(yard, monkeypatch)


def test_what_a_handler_returns_is_the_result_with_its_last_progress(desk: Desk) -> None:
    def handler(context: JobContext) -> Mapping[str, JSON]:
        for done in range(11):
            context.progress(done / 10, "working", step=done)
        return {"options": context.options}

    done = desk.run(handler)
    assert done.result == {"options": {"x": 1}}
    assert done.progress == {"fraction": 1.0, "message": "working", "step": 10}


def test_progress_is_written_at_most_twice_a_second(desk: Desk) -> None:
    written = []

    class Ledger:
        def report(self, _attempt: Attempt, progress: Mapping[str, JSON]) -> None:
            written.append(progress["step"])

    context = JobContext(desk.attempt, Ledger(), options={}, engine=desk.yard.engine, clock=desk.yard.clock)
    for step in range(20):
        context.progress(0.0, "working", step=step)
        desk.yard.clock.step(0.125)
    assert written == [0, 4, 8, 12, 16]


def test_progress_that_cannot_be_written_stops_no_work(desk: Desk) -> None:
    class Ledger:
        def report(self, _attempt: Attempt, _progress: Mapping[str, JSON]) -> None:
            raise DatabaseUnavailable

    JobContext(desk.attempt, Ledger(), options={}, engine=desk.yard.engine, clock=desk.yard.clock).progress(0.0, "x")


def test_a_handler_commits_once(desk: Desk) -> None:
    def handler(context: JobContext) -> Mapping[str, JSON]:
        context.commit(lambda _: {"n": 1})
        with pytest.raises(RuntimeError, match="once"):
            context.commit(lambda _: {"n": 2})
        return {"n": 3}

    assert desk.run(handler).result == {"n": 1}


@pytest.mark.parametrize("error", [KeyError("x"), Refused("no"), DatabaseUnavailable()])
def test_an_error_after_the_commit_leaves_the_job_a_success(desk: Desk, error: Exception) -> None:
    def handler(context: JobContext) -> Mapping[str, JSON]:
        context.commit(lambda _: {"n": 1})
        raise error

    assert desk.run(handler).state is JobState.SUCCEEDED
    assert desk.slept_s == []


def test_a_named_error_ends_the_job_in_the_words_of_a_problem_document(desk: Desk) -> None:
    def handler(_: JobContext) -> Mapping[str, JSON]:
        raise Refused("no rows", faults=[Fault("/rows", "empty", {"least": 1})], sheet="plan")

    assert desk.run(handler).error == {
        "code": "test.refused",
        "detail": "no rows",
        "sheet": "plan",
        "errors": [{"pointer": "/rows", "detail": "empty", "least": 1}],
    }


def test_a_bug_names_its_type_and_nothing_else(desk: Desk) -> None:
    def handler(_: JobContext) -> Mapping[str, JSON]:
        raise KeyError("password")

    failed = desk.run(handler)
    assert failed.error["code"] == "job.crashed"
    assert "KeyError" in failed.error["detail"]
    assert "password" not in failed.error["detail"]


def test_a_result_that_is_not_json_is_a_bug(desk: Desk) -> None:
    assert desk.run(lambda _: {"x": float("nan")}).error["code"] == "job.crashed"


def test_a_handler_that_does_not_exist_is_a_bug(desk: Desk) -> None:
    desk.monkeypatch.setattr(sys.modules[__name__], "handler_of_the_test", None, raising=False)
    assert desk.run(None).error["code"] == "job.crashed"


def test_a_job_whose_needs_are_away_goes_back_to_the_queue_after_a_pause(desk: Desk) -> None:
    def handler(_: JobContext) -> Mapping[str, JSON]:
        raise QueueUnavailable

    assert desk.run(handler).state is JobState.QUEUED
    assert desk.slept_s == [2.0]


def test_a_handler_that_hears_its_job_is_lost_writes_nothing(desk: Desk) -> None:
    def handler(context: JobContext) -> Mapping[str, JSON]:
        desk.yard.store.cancel(desk.job.id)
        context.progress(0.5, "still here")
        raise AssertionError

    assert desk.run(handler).state is JobState.CANCELLED


class FlakyAttempts(Attempts):
    """Its database is away until a moment."""

    def __init__(self, yard: Yard, until_s: float) -> None:
        super().__init__(yard.engine, yard.clock)
        self._yard_clock, self._until_s = yard.clock, until_s

    def succeed(
        self,
        attempt: Attempt,
        action: Callable[[Connection], Mapping[str, JSON]],
        progress: Mapping[str, JSON] | None,
    ) -> Mapping[str, JSON]:
        if self._yard_clock.monotonic_s() < self._until_s:
            raise DatabaseUnavailable
        return super().succeed(attempt, action, progress)


def test_a_finished_result_waits_for_a_database_that_is_away(desk: Desk) -> None:
    until_s = desk.yard.clock.monotonic_s() + COMMIT_PATIENCE_S / 2
    assert desk.run(lambda _: {"n": 1}, FlakyAttempts(desk.yard, until_s)).result == {"n": 1}


def test_a_result_no_database_takes_is_tried_again_from_the_start(desk: Desk) -> None:
    assert desk.run(lambda _: {"n": 1}, FlakyAttempts(desk.yard, float("inf"))).state is JobState.QUEUED


def test_an_order_survives_the_pipe(desk: Desk) -> None:
    order = Order(desk.attempt, "m:f", "sqlite:///x", {"a": [1]}, "worker", "info", None)
    assert Order.read(order.write()) == order
    traced = replace(order, traces=TraceSettings("http://collector/v1/traces", 0.5))
    assert Order.read(traced.write()) == traced


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent death signal is Linux's")
def test_a_child_whose_worker_died_before_it_could_ask_ends_at_once() -> None:
    if (pid := os.fork()) == 0:
        try:
            die_with(parent_pid=-1)
        except SystemExit:
            os._exit(42)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
