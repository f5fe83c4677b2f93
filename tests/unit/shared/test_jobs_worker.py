"""The worker's decisions about a job and its child."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.job import JobState
from shared.jobs.attempts import Attempt
from tests.unit.shared.job_yard import Clock, FakeChild, Yard


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
