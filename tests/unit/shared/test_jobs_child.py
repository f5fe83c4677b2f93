"""What the child of a job makes of its handler's result, and of its faults."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shared.contracts.job import Job, JobState, QueueUnavailable
from shared.database import DatabaseUnavailable
from shared.errors import JSON, AppError, Fault, Kind
from shared.jobs import JobContext
from shared.jobs.attempts import Attempt, Attempts
from shared.jobs.child import COMMIT_PATIENCE_S, die_with, perform
from shared.jobs.process import Order
from shared.tracing import TraceSettings
from tests.unit.shared.job_yard import Clock, Yard


@pytest.fixture
def yard(tmp_path: Path, clock: Clock) -> Iterator[Yard]:
    yard = Yard(f"sqlite:///{tmp_path / 'jobs.db'}", clock)
    yield yard
    yard.engine.dispose()


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
