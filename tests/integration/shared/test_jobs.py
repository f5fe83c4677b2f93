"""Jobs on real servers, with every process killed that can be killed."""

import os
import signal
import time

import pytest
from sqlalchemy import text

from shared.contracts.job import IdempotencyConflict, JobMissing, JobState, QueueUnavailable
from shared.database import read, write
from shared.jobs import RqDelivery
from shared.jobs.child import NICENESS
from tests.integration.shared.job_bench import PATIENCE_S, Bench, Server, gone, wait


def test_a_job_is_done_and_its_result_kept(any_bench: Bench) -> None:
    job = any_bench.submit("add", a=2, b=3)
    assert job.state is JobState.QUEUED
    any_bench.start_worker()
    done = any_bench.wait_for_end(job)
    assert (done.state, done.result, done.attempt) == (JobState.SUCCEEDED, {"sum": 5}, 1)
    assert done.progress == {"fraction": 0.5, "message": "half way", "rows": 10}
    assert done.created_at <= done.started_at <= done.finished_at


def test_the_queue_keeps_no_trace_of_a_job_that_is_done(bench: Bench) -> None:
    job = bench.submit("add", a=2, b=3)
    bench.start_worker()
    bench.wait_for_end(job)
    assert list(bench.redis.scan_iter("rq:*")) == [b"rq:queues"]


def test_a_child_sees_the_options_and_shows_no_secret_in_the_list_of_processes(at_work: Bench) -> None:
    job = at_work.submit("look")
    result = at_work.wait_for_end(job).result
    assert result["store_url"] == "file:///nowhere"
    assert "job_worker.py" in result["worker"]
    assert at_work.database_url not in result["own_command"] + result["own_environment"]
    assert result["gives_way_by"] == NICENESS


def test_a_named_error_fails_the_job_at_once_with_its_code_and_faults(at_work: Bench) -> None:
    job = at_work.submit("refuse")
    failed = at_work.wait_for_end(job)
    assert failed.state is JobState.FAILED
    assert failed.error == {
        "code": "test.refused",
        "detail": "the data cannot be used",
        "rows": 7,
        "errors": [{"pointer": "/rows/3", "detail": "not a number"}],
    }
    assert len(at_work.starts()) == 1


def test_a_bug_fails_the_job_at_once_and_only_the_log_has_its_trace(at_work: Bench) -> None:
    job = at_work.submit("crash")
    failed = at_work.wait_for_end(job)
    assert failed.error["code"] == "job.crashed"
    assert "KeyError" in failed.error["detail"]
    assert "secret detail" not in str(failed.error)
    assert len(at_work.starts()) == 1
    assert "secret detail" in at_work.log()


def test_a_job_whose_needs_are_away_is_tried_again(at_work: Bench) -> None:
    job = at_work.submit("need")
    done = at_work.wait_for_end(job)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"attempt": 2})


def test_a_killed_child_is_replaced(any_bench: Bench) -> None:
    job = any_bench.submit("sleep", seconds=30, slow_attempts=1)
    any_bench.start_worker()
    os.kill(any_bench.wait_for_start().pid, signal.SIGKILL)
    done = any_bench.wait_for_end(job)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"attempt": 2})


def test_a_job_that_always_kills_its_process_fails_after_three_attempts(at_work: Bench) -> None:
    job = at_work.submit("die")
    failed = at_work.wait_for_end(job)
    assert failed.state is JobState.FAILED
    assert failed.error == {
        "code": "job.worker_died",
        "detail": "worker process died (signal 9), attempt 3 of 3",
        "attempts": 3,
    }
    assert len(at_work.starts()) == 3


def test_a_job_of_a_killed_worker_is_finished_by_another_within_fifteen_seconds(bench: Bench) -> None:
    job = bench.submit("sleep", seconds=30, slow_attempts=1)
    first = bench.start_worker()
    child = bench.wait_for_start()
    first.kill()
    os.kill(child.pid, signal.SIGKILL)
    first.wait()
    killed_s = time.monotonic()
    bench.start_worker()
    done = bench.wait_for_end(job)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"attempt": 2})
    assert time.monotonic() - killed_s < 15


def test_the_child_of_a_killed_worker_dies_with_it(bench: Bench) -> None:
    bench.submit("sleep", seconds=30)
    worker = bench.start_worker()
    child = bench.wait_for_start()
    worker.kill()
    worker.wait()
    wait(lambda: gone(child.pid), limit_s=1)


def test_a_stopped_worker_that_comes_back_publishes_nothing(bench: Bench) -> None:
    with write(bench.engine) as connection:
        connection.execute(text("CREATE TABLE published (job TEXT)"))
    job = bench.submit("publish", seconds=30, slow_attempts=1)
    first = bench.start_worker()
    child = bench.wait_for_start()
    for pid in (first.pid, child.pid):
        os.kill(pid, signal.SIGSTOP)
    bench.start_worker()
    done = bench.wait_for_end(job)
    assert done.attempt == 2
    for pid in (first.pid, child.pid):
        os.kill(pid, signal.SIGCONT)
    wait(lambda: gone(child.pid))
    with read(bench.engine) as connection:
        assert connection.execute(text("SELECT job FROM published")).scalars().all() == [job.id]
    assert bench.store.get(job.id) == done


def test_two_workers_told_of_one_job_do_it_once(any_bench: Bench) -> None:
    job = any_bench.submit("sleep", seconds=0.5)
    for _ in range(10):
        RqDelivery(any_bench.redis, "test").send(job.id, job.kind)
    any_bench.start_worker()
    any_bench.start_worker()
    any_bench.wait_for_end(job)
    wait(lambda: not RqDelivery(any_bench.redis, "test").waiting())
    assert len(any_bench.starts()) == 1


def test_two_workers_share_many_jobs_and_do_each_once(bench: Bench) -> None:
    submitted = [bench.submit("sleep", seconds=0.05) for _ in range(8)]
    bench.start_worker()
    bench.start_worker()
    assert {bench.wait_for_end(job).state for job in submitted} == {JobState.SUCCEEDED}
    assert len(bench.starts()) == 8
    assert len({start.worker_pid for start in bench.starts()}) == 2


def test_a_running_job_that_is_cancelled_is_killed_within_a_second(any_bench: Bench) -> None:
    job = any_bench.submit("sleep", seconds=30)
    any_bench.start_worker()
    child = any_bench.wait_for_start()
    assert any_bench.store.cancel(job.id).state is JobState.CANCELLED
    wait(lambda: gone(child.pid), limit_s=1)
    assert any_bench.store.get(job.id).result is None


def test_a_queued_job_that_is_cancelled_is_never_started(bench: Bench) -> None:
    cancelled, other = bench.submit("sleep", seconds=0), bench.submit("add", a=1, b=1)
    bench.store.cancel(cancelled.id)
    bench.start_worker()
    bench.wait_for_end(other)
    assert bench.store.get(cancelled.id).attempt == 0


def test_cancelling_a_job_that_has_ended_changes_nothing(at_work: Bench) -> None:
    job = at_work.submit("add", a=1, b=1)
    done = at_work.wait_for_end(job)
    assert at_work.store.cancel(job.id) == done


def test_a_job_is_killed_at_its_time_limit_and_not_tried_again(at_work: Bench) -> None:
    job = at_work.submit("sleep", seconds=30, time_limit_s=4)
    failed = at_work.wait_for_end(job)
    assert failed.error == {
        "code": "job.time_limit",
        "detail": "stopped after its time limit of 4 s",
        "time_limit_s": 4,
    }
    assert gone(at_work.starts()[0].pid)


def test_a_worker_asked_to_end_lets_a_short_job_finish(bench: Bench) -> None:
    job = bench.submit("sleep", seconds=0.5)
    worker = bench.start_worker(drain_s=20)
    bench.wait_for_start()
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0
    assert bench.store.get(job.id).state is JobState.SUCCEEDED


def test_a_worker_asked_to_end_gives_a_long_job_back_without_costing_an_attempt(bench: Bench) -> None:
    job = bench.submit("sleep", seconds=30, max_attempts=1)
    worker = bench.start_worker(drain_s=0.2)
    child = bench.wait_for_start()
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0
    assert gone(child.pid)
    waiting = bench.store.get(job.id)
    assert (waiting.state, waiting.attempt) == (JobState.QUEUED, 0)
    bench.start_worker()
    assert bench.wait_for_start(2).attempt == 1


def test_a_running_job_ends_well_while_redis_stalls(own_bench: Bench, own_valkey: Server) -> None:
    job = own_bench.submit("sleep", seconds=2)
    own_bench.start_worker()
    own_bench.wait_for_start()
    own_valkey.stall()
    done = own_bench.wait_for_end(job)
    own_valkey.resume()
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)


def test_a_worker_outlives_a_restart_of_redis_and_takes_the_next_job(own_bench: Bench, own_valkey: Server) -> None:
    running, queued = own_bench.submit("sleep", seconds=2), own_bench.submit("add", a=1, b=1)
    worker = own_bench.start_worker()
    own_bench.wait_for_start()
    own_valkey.stop()
    assert own_bench.wait_for_end(running).state is JobState.SUCCEEDED
    own_valkey.start()
    assert own_bench.wait_for_end(queued).state is JobState.SUCCEEDED
    assert worker.poll() is None


def test_a_queue_that_redis_has_lost_is_filled_again_from_the_database(own_bench: Bench) -> None:
    submitted = [own_bench.submit("add", a=1, b=1) for _ in range(2)]
    own_bench.redis.flushall()
    own_bench.start_worker()
    assert {own_bench.wait_for_end(job).state for job in submitted} == {JobState.SUCCEEDED}


@pytest.mark.parametrize("fault", ["stop", "stall"])
def test_a_job_submitted_while_redis_is_away_is_refused_in_time_and_leaves_no_trace(
    own_bench: Bench, own_valkey: Server, fault: str
) -> None:
    getattr(own_valkey, fault)()
    began_s = time.monotonic()
    with pytest.raises(QueueUnavailable) as refused:
        own_bench.submit("add", a=1, b=1, key="k")
    assert time.monotonic() - began_s < 2
    assert refused.value.retry_after_s > 0
    assert own_bench.store.list().items == ()
    own_valkey.resume() if fault == "stall" else own_valkey.start()
    assert own_bench.submit("add", a=1, b=1, key="k").state is JobState.QUEUED


def test_the_same_key_and_body_give_the_same_job(any_bench: Bench) -> None:
    first = any_bench.submit("add", a=1, b=2, key="k")
    assert any_bench.submit("add", b=2, a=1, key="k") == first
    assert any_bench.submit("add", a=1, b=2, key="other").id != first.id
    assert any_bench.submit("add", a=1, b=2).id != first.id


def test_the_same_key_with_another_body_is_a_conflict_that_names_the_job(any_bench: Bench) -> None:
    first = any_bench.submit("add", a=1, b=2, key="k")
    with pytest.raises(IdempotencyConflict) as conflict:
        any_bench.submit("add", a=1, b=3, key="k")
    assert conflict.value.facts == {"job": first.id}


def test_the_list_pages_through_all_jobs_newest_first(any_bench: Bench) -> None:
    submitted = [any_bench.submit("add", a=1, b=i).id for i in range(5)]
    seen, cursor = [], None
    while True:
        page = any_bench.store.list(owner="ada", limit=2, cursor=cursor)
        seen += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(job.id for job in seen) == sorted(submitted)
    assert [job.created_at for job in seen] == sorted((job.created_at for job in seen), reverse=True)
    assert any_bench.store.list(owner="bob").items == ()


def test_the_depth_of_a_queue_counts_what_waits(any_bench: Bench) -> None:
    assert any_bench.store.queue_depths() == {}
    any_bench.submit("add", a=1, b=1)
    any_bench.store.cancel(any_bench.submit("add", a=1, b=1).id)
    assert any_bench.store.queue_depths() == {"test": 1}


def test_an_unknown_job_is_missing(any_bench: Bench) -> None:
    for ask in (any_bench.store.get, any_bench.store.cancel):
        with pytest.raises(JobMissing):
            ask("0" * 32)
