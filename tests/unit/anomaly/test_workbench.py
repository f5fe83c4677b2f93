import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from services.anomaly.domain.workbench import Overloaded, Workbench


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_work_is_done_in_a_thread_and_its_result_returned(pool: ThreadPoolExecutor):
    assert await Workbench(pool, places=1).run(lambda: 6 * 7) == 42


async def test_error_of_the_work_reaches_the_caller_and_frees_the_place(pool: ThreadPoolExecutor):
    bench = Workbench(pool, places=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await bench.run(lambda: 1 / 0)


async def test_call_beyond_the_places_is_refused_at_once(pool: ThreadPoolExecutor):
    bench, go_on = Workbench(pool, places=2), Event()
    waiting = [asyncio.create_task(bench.run(go_on.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refusal:
        await bench.run(lambda: None)
    assert refusal.value.retry_after_s is not None
    go_on.set()
    await asyncio.gather(*waiting)
    assert await bench.run(lambda: "free") == "free"


async def test_call_whose_client_has_gone_holds_its_place_until_it_is_done(pool: ThreadPoolExecutor):
    bench, started, go_on = Workbench(pool, places=1), Event(), Event()

    def work() -> None:
        started.set()
        go_on.wait()

    task = asyncio.create_task(bench.run(work))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(Overloaded):
        await bench.run(lambda: None)
    go_on.set()
    await asyncio.wrap_future(pool.submit(lambda: None))
    assert await bench.run(lambda: "free") == "free"
