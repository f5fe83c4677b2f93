"""What is told of a job as it moves, and to whom it makes no difference that nobody hears it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from shared.database import open_engine
from shared.events import JOBS
from shared.jobs import JobQueue, JobStore, migrate_jobs
from shared.jobs.attempts import Attempts
from shared.jobs.news import NEWS_LENGTH, JobNews


class FakeRedis:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.away = False

    def xadd(self, stream: str, fields: dict[bytes, str], *, maxlen: int, approximate: bool) -> None:
        if self.away:
            raise RedisGone
        assert (stream, maxlen, approximate) == (JOBS, NEWS_LENGTH, True)
        self.told.append(json.loads(fields[b"payload"]))


class Delivery:
    """Has everything delivered at once: the worker is as quick as can be."""

    def __init__(self) -> None:
        self.claim: Any = lambda _: None

    def send(self, job_id: str, kind: str) -> None:
        self.claim(job_id)

    def take(self, wait_s: int) -> str | None: ...

    def waiting(self) -> frozenset[str]:
        return frozenset()


class Shop:
    def __init__(self, url: str, clock: Any) -> None:
        migrate_jobs(url)
        self.engine = open_engine(url)
        self.redis = FakeRedis()
        tell = JobNews(self.redis).tell
        self.delivery = Delivery()
        self.queue = JobQueue(self.engine, self.delivery, queue="q", clock=clock, tell=tell)
        self.attempts = Attempts(self.engine, clock, tell)
        self.store = JobStore(self.engine, clock, tell)

    def submit(self) -> str:
        return self.queue.submit("anomaly.train", {}, owner="ada", time_limit_s=60).id

    def states(self) -> list[str]:
        return [news["job"]["state"] for news in self.redis.told]


@pytest.fixture
def shop(tmp_path: Path, clock: Any) -> Iterator[Shop]:
    shop = Shop(f"sqlite:///{tmp_path / 'jobs.db'}", clock)
    yield shop
    shop.engine.dispose()


def test_each_move_of_a_job_is_told_once_and_in_order(shop: Shop):
    taken: list[Any] = []
    shop.delivery.claim = lambda job_id: taken.append(shop.attempts.claim(job_id, "quick"))
    shop.submit()
    (attempt,) = taken
    shop.attempts.beat(attempt)
    shop.attempts.report(attempt, {"fraction": 0.5})
    shop.attempts.succeed(attempt, lambda _: {"n": 1}, None)
    assert shop.states() == ["queued", "running", "running", "succeeded"]
    assert {news["owner"] for news in shop.redis.told} == {"ada"}
    assert [news["job"]["progress"] for news in shop.redis.told[2:]] == [{"fraction": 0.5}] * 2
    assert shop.redis.told[-1]["job"]["result"] == {"n": 1}


def test_ends_of_every_kind_are_told(shop: Shop):
    failing, stopped = shop.submit(), shop.submit()
    attempt = shop.attempts.claim(failing, "w")
    assert attempt is not None
    shop.attempts.give_back(attempt)
    again = shop.attempts.claim(failing, "w")
    assert again is not None
    shop.attempts.fail(again, {"code": "x"})
    shop.store.cancel(stopped)
    shop.store.cancel(stopped)
    assert shop.states() == ["queued", "queued", "running", "queued", "running", "failed", "cancelled"]


def test_an_attempt_that_lost_its_job_tells_nothing(shop: Shop):
    job_id = shop.submit()
    attempt = shop.attempts.claim(job_id, "w")
    assert attempt is not None
    shop.store.cancel(job_id)
    assert shop.attempts.fail(attempt, {"code": "x"}) is False
    assert shop.states() == ["queued", "running", "cancelled"]


def test_without_redis_the_work_goes_on(shop: Shop):
    shop.redis.away = True
    attempt = shop.attempts.claim(shop.submit(), "w")
    assert attempt is not None
    assert shop.attempts.succeed(attempt, lambda _: {"n": 1}, None) == {"n": 1}


def test_a_long_result_stays_with_the_job(shop: Shop):
    attempt = shop.attempts.claim(shop.submit(), "w")
    assert attempt is not None
    shop.attempts.succeed(attempt, lambda _: {"n": "x" * 20_000}, None)
    assert (shop.states()[-1], shop.redis.told[-1]["job"]["result"]) == ("succeeded", None)
