"""Threads for slow models: a bound on what waits, and what becomes of a call that hangs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import CollectorRegistry

from services.twin.adapters.work_pool import BoundedPool
from services.twin.domain.serving import PoolFull, StillBusy


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging calls wait for; opened in the end, so that no thread is left behind."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def metrics() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def pool(metrics: CollectorRegistry, gate: threading.Event) -> AsyncIterator[BoundedPool]:
    pool = BoundedPool(threads=1, waiting_limit=1, metrics=metrics)
    yield pool
    gate.set()
    pool.close()


async def hang(pool: BoundedPool, gate: threading.Event, owner: str) -> None:
    """Give a call up after it has begun."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def call() -> None:
        loop.call_soon_threadsafe(begun.set)
        gate.wait()

    task = asyncio.create_task(pool.run(call, owner=owner))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_runs_in_another_thread_and_its_error_comes_back(pool: BoundedPool):
    assert await pool.run(threading.get_ident, owner="a") != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0, owner="a")


async def test_a_call_that_hangs_does_not_keep_the_process_alive(pool: BoundedPool, gate: threading.Event):
    await hang(pool, gate, "a")
    pool.close()
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("predict_")]
    assert ours
    assert all(thread.daemon for thread in ours)


async def test_more_than_may_wait_is_refused_at_once(pool: BoundedPool, gate: threading.Event):
    waiting = [asyncio.create_task(pool.run(gate.wait, owner="a")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PoolFull):
        await pool.run(int, owner="b")
    gate.set()
    await asyncio.gather(*waiting)
    assert await pool.run(int, owner="b") == 0


async def test_a_call_that_was_given_up_keeps_its_owner_out_and_nobody_else(
    pool: BoundedPool, gate: threading.Event, metrics: CollectorRegistry
):
    await hang(pool, gate, "slow")
    with pytest.raises(StillBusy):
        await pool.run(int, owner="slow")
    assert await pool.run(int, owner="quick") == 0
    assert metrics.get_sample_value("futago_twin_calls_overdue") == 1
    assert metrics.get_sample_value("futago_twin_calls_refused_total") == 1


async def test_an_owner_is_let_in_again_when_its_call_has_ended(
    pool: BoundedPool, gate: threading.Event, metrics: CollectorRegistry
):
    await hang(pool, gate, "slow")
    gate.set()
    async with asyncio.timeout(10.0):
        # A gauge tells nobody when it changes.
        while metrics.get_sample_value("futago_twin_calls_overdue"):
            await asyncio.sleep(0)
    assert await pool.run(int, owner="slow") == 0


async def test_a_call_that_was_given_up_before_it_began_is_forgotten(
    pool: BoundedPool, gate: threading.Event, metrics: CollectorRegistry
):
    first = asyncio.create_task(pool.run(gate.wait, owner="a"))
    second = asyncio.create_task(pool.run(int, owner="b"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert metrics.get_sample_value("futago_twin_calls_overdue") == 0
    gate.set()
    await first


async def test_a_pool_whose_threads_all_hang_says_that_it_is_broken(pool: BoundedPool, gate: threading.Event):
    await pool.check()
    for number in range(8):
        await hang(pool, gate, str(number))
    with pytest.raises(PoolFull):
        await pool.check()
    with pytest.raises(PoolFull):
        await pool.run(int, owner="other")
