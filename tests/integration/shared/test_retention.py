"""What becomes of rows and jobs after their time, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, insert, select

from shared.contracts.job import JobMissing
from shared.database import open_engine, read, write
from shared.jobs import JobQueue, JobStore, migrate_jobs
from shared.jobs.attempts import Attempts
from shared.jobs.retention import remove_ended, unfinished_payloads
from shared.retention import delete_rows
from tests.conftest import SteppingClock

metadata = MetaData()
marks = Table(
    "marks",
    metadata,
    Column("a", Integer, primary_key=True),
    Column("b", Integer, primary_key=True),
    Column("at", Integer),
)


class Silent:
    """A queue that nobody listens to."""

    def send(self, job_id: str, kind: str) -> None: ...

    def take(self, wait_s: int) -> str | None: ...

    def waiting(self) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate_jobs(database_url)
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_old_rows_go_batch_by_batch_although_two_replicas_do_it_at_once(engine: Engine):
    metadata.create_all(engine)
    with write(engine) as connection:
        connection.execute(insert(marks), [{"a": n, "b": n % 3, "at": n} for n in range(100)])
    with ThreadPoolExecutor(2) as pool:
        removed = list(pool.map(lambda _: delete_rows(engine, marks, marks.c.at < 90, batch_rows=7), range(2)))
    assert sum(removed) == 90
    with read(engine) as connection:
        assert connection.scalar(select(func.min(marks.c.at))) == 90


def test_jobs_go_when_they_ended_long_ago_and_never_while_they_wait_or_run(engine: Engine, clock: SteppingClock):
    queue = JobQueue(engine, Silent(), queue="q", clock=clock)
    store, attempts = JobStore(engine, clock), Attempts(engine, clock)
    names = ("cancelled", "succeeded", "running", "waiting")
    jobs = {name: queue.submit(name, {"table": name}, owner="ada", time_limit_s=60).id for name in names}
    store.cancel(jobs["cancelled"])
    done = attempts.claim(jobs["succeeded"], "worker")
    assert done is not None
    attempts.succeed(done, lambda _: {}, None)
    attempts.claim(jobs["running"], "worker")
    clock.step(100 * 24 * 3600)
    late = queue.submit("late", {}, owner="ada", time_limit_s=60).id
    store.cancel(late)
    with read(engine) as connection:
        assert {payload["table"] for payload in unfinished_payloads(connection, "q")} == {"running", "waiting"}
        assert list(unfinished_payloads(connection, "other")) == []
    assert remove_ended(engine, clock.now() - timedelta(days=90)) == 2
    assert {job.id for job in store.list().items} == {jobs["running"], jobs["waiting"], late}
    with pytest.raises(JobMissing):
        store.get(jobs["cancelled"])


def test_a_job_of_which_an_idempotency_key_still_speaks_is_found_until_it_goes(engine: Engine, clock: SteppingClock):
    queue = JobQueue(engine, Silent(), queue="q", clock=clock)
    first = queue.submit("k", {}, owner="ada", time_limit_s=60, idempotency_key="x")
    JobStore(engine, clock).cancel(first.id)
    assert queue.submit("k", {}, owner="ada", time_limit_s=60, idempotency_key="x").id == first.id
    clock.step(2 * 24 * 3600)
    assert remove_ended(engine, clock.now()) == 1
    assert queue.submit("k", {}, owner="ada", time_limit_s=60, idempotency_key="x").id != first.id
