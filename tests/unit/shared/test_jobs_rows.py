"""Jobs as rows: accepting, claiming, ending; the queue is a fake, the database a real SQLite file."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, func, select, text

from shared.contracts.job import CursorInvalid, Job, JobState, QueueUnavailable
from shared.database import read, write
from shared.errors import JSON
from shared.http.request_id import set_request_id
from shared.jobs import AttemptLost
from shared.jobs.attempts import Attempt
from shared.jobs.sweeper import SWEEPS_TO_DEATH
from shared.jobs.tables import jobs
from tests.unit.shared.job_shop import DIED, Clock, Shop

DAY_S = 24 * 3600


@pytest.fixture
def shop(tmp_path: Path, clock: Clock) -> Iterator[Shop]:
    shop = Shop(f"sqlite:///{tmp_path / 'jobs.db'}", clock)
    yield shop
    shop.engine.dispose()


def result_of(value: str) -> Mapping[str, JSON]:
    return {"by": value}


def test_a_queue_tells_how_many_jobs_stand_where_and_how_long_the_first_has_waited(shop: Shop) -> None:
    assert (shop.store.states("q")[JobState.QUEUED], shop.store.oldest_waiting_s("q")) == (0, 0.0)
    first = shop.submit()
    shop.clock.step(30)
    shop.submit()
    shop.clock.step(5)
    assert shop.store.oldest_waiting_s("q") == 35.0
    shop.claim(first)
    states = {state.value: count for state, count in shop.store.states("q").items()}
    assert states == {"queued": 1, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert shop.store.oldest_waiting_s("q") == 5.0
    assert set(shop.store.states("another").values()) == {0}


def test_a_job_remembers_the_request_that_asked_for_it(shop: Shop) -> None:
    set_request_id("ticket-4711")
    attempt = shop.claim(shop.submit())
    assert (attempt.request_id, attempt.traceparent) == ("ticket-4711", None)


def test_an_accepted_job_is_in_the_table_and_in_the_queue(shop: Shop) -> None:
    job = shop.submit(rows=3)
    assert shop.store.get(job.id) == job
    assert shop.delivery.sent == [job.id]
    assert shop.claim(job).payload == {"rows": 3}


def test_a_job_refused_because_the_queue_is_away_leaves_no_row(shop: Shop) -> None:
    shop.delivery.away = True
    with pytest.raises(QueueUnavailable):
        shop.submit(key="k")
    assert shop.store.list().items == ()


def test_a_message_that_got_through_unconfirmed_to_a_quick_worker_is_an_accepted_job(shop: Shop) -> None:
    def send(job_id: str, _kind: str) -> None:
        assert shop.attempts.claim(job_id, "quick")
        raise QueueUnavailable

    shop.delivery.send = send
    assert shop.store.get(shop.submit().id).state is JobState.RUNNING


def test_a_job_that_a_second_caller_was_told_of_is_not_taken_back_from_the_first(shop: Shop) -> None:
    told = []

    def send(_job_id: str, _kind: str) -> None:
        told.append(shop.submit(key="k"))
        raise QueueUnavailable

    shop.delivery.send = send
    assert shop.submit(key="k").id == told[0].id
    assert [job.id for job in shop.store.list().items] == [told[0].id]


def test_a_message_that_got_through_unconfirmed_for_a_refused_job_starts_nothing(shop: Shop) -> None:
    shop.delivery.answers = False
    with pytest.raises(QueueUnavailable):
        shop.submit()
    (job_id,) = shop.delivery.sent
    assert shop.attempts.claim(job_id, "worker") is None


def test_an_idempotency_key_is_its_owners_own(shop: Shop) -> None:
    assert shop.submit(key="k", owner="ada").id != shop.submit(key="k", owner="bob", rows=1).id


def test_an_idempotency_key_means_the_same_job_even_after_it_ended(shop: Shop) -> None:
    job = shop.submit(key="k")
    shop.store.cancel(job.id)
    assert shop.submit(key="k").state is JobState.CANCELLED
    assert shop.delivery.sent == [job.id]


@pytest.mark.parametrize(("later_s", "same"), [(DAY_S - 1, True), (DAY_S, False)])
def test_an_idempotency_key_is_free_again_after_a_day(shop: Shop, later_s: float, same: bool) -> None:
    first = shop.submit(key="k")
    shop.clock.step(later_s)
    assert (shop.submit(key="k").id == first.id) is same


def test_only_the_first_claim_of_a_job_is_granted(shop: Shop) -> None:
    job = shop.submit()
    assert shop.attempts.claim(job.id, "one") is not None
    assert shop.attempts.claim(job.id, "two") is None
    assert shop.attempts.claim("unknown", "two") is None


def test_a_result_and_what_it_publishes_are_written_together_or_not_at_all(shop: Shop) -> None:
    attempt = shop.claim(shop.submit())

    def publish(connection: Connection) -> Mapping[str, JSON]:
        connection.execute(text("CREATE TABLE published (n INTEGER)"))
        raise KeyError("bug")

    with pytest.raises(KeyError):
        shop.attempts.succeed(attempt, publish, None)
    assert shop.store.get(attempt.job_id).state is JobState.RUNNING
    with read(shop.engine) as connection:
        assert connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'published'")).all() == []


def test_an_attempt_that_lost_its_job_can_change_nothing(shop: Shop) -> None:
    job = shop.submit()
    old = shop.claim(job)
    shop.attempts.give_up(old, DIED)
    new = shop.claim(job)
    before = shop.store.get(job.id)
    ran = []

    with pytest.raises(AttemptLost):
        shop.attempts.succeed(old, lambda _: ran.append(1) or {}, None)
    with pytest.raises(AttemptLost):
        shop.attempts.save(old, lambda _: ran.append(1))
    with pytest.raises(AttemptLost):
        shop.attempts.report(old, {"fraction": 1.0})
    shop.attempts.beat(old)
    assert not shop.attempts.fail(old, DIED)
    assert shop.attempts.give_up(old, DIED) is None
    assert not shop.attempts.give_back(old)
    assert shop.attempts.standing(old) is None
    assert (shop.store.get(job.id), ran) == (before, [])
    assert shop.attempts.standing(new) is JobState.RUNNING


def test_an_attempt_that_was_given_up_hears_of_it_before_the_next_begins(shop: Shop) -> None:
    attempt = shop.claim(shop.submit())
    shop.attempts.give_up(attempt, DIED)
    assert shop.attempts.standing(attempt) is None


def test_the_last_attempt_that_dies_fails_the_job_with_the_reason(shop: Shop) -> None:
    job = shop.submit(max_attempts=2)
    assert shop.attempts.give_up(shop.claim(job), DIED) is JobState.QUEUED
    assert shop.attempts.give_up(shop.claim(job), DIED) is JobState.FAILED
    failed = shop.store.get(job.id)
    assert failed.error == {**DIED, "attempts": 2}
    assert failed.finished_at is not None


def test_a_job_given_back_has_all_its_attempts_left(shop: Shop) -> None:
    job = shop.submit(max_attempts=1)
    for _ in range(3):
        assert shop.attempts.give_back(shop.claim(job))
    assert shop.store.get(job.id).attempt == 0
    assert shop.claim(job).number == 1


def test_progress_is_there_while_the_job_runs_and_after(shop: Shop) -> None:
    attempt = shop.claim(shop.submit())
    shop.attempts.report(attempt, {"fraction": 0.5})
    assert shop.store.get(attempt.job_id).progress == {"fraction": 0.5}
    shop.attempts.succeed(attempt, lambda _: result_of("me"), {"fraction": 1.0})
    assert shop.store.get(attempt.job_id).progress == {"fraction": 1.0}


def test_what_is_saved_on_the_way_stays_although_the_attempt_dies(shop: Shop) -> None:
    with write(shop.engine) as connection:
        connection.execute(text("CREATE TABLE best (n INTEGER)"))
    attempt = shop.claim(shop.submit())
    shop.attempts.save(attempt, lambda connection: connection.execute(text("INSERT INTO best VALUES (1)")))
    shop.attempts.give_up(attempt, DIED)
    with read(shop.engine) as connection:
        assert connection.execute(text("SELECT n FROM best")).scalars().all() == [1]


@given(text=st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
def test_a_made_up_cursor_is_refused(shop: Shop, text: str) -> None:
    with pytest.raises(CursorInvalid):
        shop.store.list(cursor=text)


@pytest.mark.parametrize("position", [[2**63, "0" * 32], [1, "0" * 31 + "\x00"], [1], [True, "0" * 32], 7, {}])
def test_a_cursor_with_another_content_is_refused(shop: Shop, position: JSON) -> None:
    with pytest.raises(CursorInvalid):
        shop.store.list(cursor=base64.urlsafe_b64encode(json.dumps(position).encode()).decode())


STEPS = st.sampled_from(["claim", "succeed", "fail", "give_up", "give_back", "cancel", "sweep"])


def published(engine: Engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(text("published"))).scalar_one()


@given(steps=st.lists(st.tuples(STEPS, st.integers(0, 3)), max_size=25))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_whatever_happens_in_any_order_a_job_publishes_at_most_once_and_an_end_is_final(
    shop: Shop, steps: list[tuple[str, int]]
) -> None:
    with write(shop.engine) as connection:
        connection.execute(text("DROP TABLE IF EXISTS published"))
        connection.execute(text("CREATE TABLE published (fence INTEGER)"))
        connection.execute(jobs.delete())
    job = shop.submit()
    held: list[Attempt] = []
    ended: Job | None = None
    for step, choice in steps:
        attempt = held[choice % len(held)] if held else None
        if step == "claim":
            claimed = shop.attempts.claim(job.id, "worker")
            held += [] if claimed is None else [claimed]
        elif step == "cancel":
            shop.store.cancel(job.id)
        elif step == "sweep":
            shop.sweep(SWEEPS_TO_DEATH + 1)
        elif attempt is not None:
            end(shop, step, attempt)
        now = shop.store.get(job.id)
        assert ended in (None, now)
        ended = now if now.state.final else None
        assert 0 <= now.attempt <= 3
        assert published(shop.engine) == (now.state is JobState.SUCCEEDED)


def end(shop: Shop, step: str, attempt: Attempt) -> None:
    def publish(connection: Connection) -> Mapping[str, JSON]:
        connection.execute(text("INSERT INTO published VALUES (:fence)"), {"fence": attempt.fence})
        return {"fence": attempt.fence}

    if step == "succeed":
        try:
            shop.attempts.succeed(attempt, publish, None)
        except AttemptLost:
            assert shop.attempts.standing(attempt) is not JobState.RUNNING
    elif step == "fail":
        shop.attempts.fail(attempt, DIED)
    elif step == "give_up":
        shop.attempts.give_up(attempt, DIED)
    else:
        shop.attempts.give_back(attempt)


def test_what_a_job_was_given_is_read_by_its_attempt_alone(shop: Shop) -> None:
    statements: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    job = shop.submit(key="k")
    statements.clear()
    shop.submit(key="k")
    shop.claim(job)
    shop.sweep(2)
    shop.store.get(job.id)
    shop.store.list()
    shop.store.cancel(job.id)
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(selects) >= 5
    assert [statement for statement in selects if "payload" in statement] == []
