"""Jobs whose worker or message was lost, and what the sweeper makes of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.job import JobState, QueueUnavailable
from shared.jobs import JobQueue
from shared.jobs.sweeper import SWEEPS_TO_DEATH
from tests.unit.shared.job_shop import DIED, Clock, FakeDelivery, Shop


@pytest.fixture
def shop(tmp_path: Path, clock: Clock) -> Iterator[Shop]:
    shop = Shop(f"sqlite:///{tmp_path / 'jobs.db'}", clock)
    yield shop
    shop.engine.dispose()


def test_a_worker_that_shows_no_beat_for_long_enough_loses_its_job(shop: Shop) -> None:
    job = shop.submit()
    shop.claim(job)
    shop.delivery.sent.clear()
    shop.sweep(SWEEPS_TO_DEATH)
    assert shop.store.get(job.id).state is JobState.RUNNING
    shop.sweep(1)
    assert shop.store.get(job.id).state is JobState.QUEUED
    assert shop.delivery.sent == [job.id]


def test_a_worker_that_beats_keeps_its_job_however_many_sweeps_pass(shop: Shop) -> None:
    attempt = shop.claim(shop.submit())
    for _ in range(5):
        shop.sweep(SWEEPS_TO_DEATH)
        shop.attempts.beat(attempt)
    assert shop.attempts.standing(attempt) is JobState.RUNNING


def test_a_beat_between_the_last_look_and_the_verdict_saves_the_attempt(shop: Shop) -> None:
    attempt = shop.claim(shop.submit())
    shop.attempts.beat(attempt)
    assert shop.attempts.give_up(attempt, DIED, beats=0) is None
    assert shop.attempts.give_up(attempt, DIED, beats=1) is JobState.QUEUED


def test_a_job_that_takes_every_worker_down_with_it_fails_in_the_end(shop: Shop) -> None:
    job = shop.submit(max_attempts=2)
    for _ in range(2):
        shop.claim(job)
        shop.sweep(SWEEPS_TO_DEATH + 1)
    failed = shop.store.get(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error == {
        "code": "job.worker_died",
        "detail": "worker gave no sign of life, attempt 2 of 2",
        "attempts": 2,
    }


def test_a_job_the_queue_has_lost_is_sent_again_at_the_second_look_and_once(shop: Shop) -> None:
    job = shop.submit()
    shop.delivery.sent.clear()
    shop.sweep(1)
    assert shop.delivery.sent == []
    shop.sweep(3)
    assert shop.delivery.sent == [job.id]


def test_a_dead_worker_is_found_while_the_queue_is_away_and_the_job_sent_later(shop: Shop) -> None:
    job = shop.submit()
    shop.claim(job)
    shop.delivery.sent.clear()
    shop.delivery.away = True
    for _ in range(SWEEPS_TO_DEATH + 1):
        with pytest.raises(QueueUnavailable):
            shop.sweep(1)
    assert shop.store.get(job.id).state is JobState.QUEUED
    shop.delivery.away = False
    shop.sweep(2)
    assert shop.delivery.sent == [job.id]


def test_a_sweeper_leaves_other_queues_alone(shop: Shop) -> None:
    other = JobQueue(shop.engine, FakeDelivery(), queue="other", clock=shop.clock)
    job = other.submit("test.kind", {}, owner="ada", time_limit_s=60)
    shop.sweep(5)
    assert shop.delivery.sent == []
    shop.claim(job)
    shop.sweep(SWEEPS_TO_DEATH + 1)
    assert shop.store.get(job.id).state is JobState.RUNNING
