"""Loading once for all who wait, and making room; the pool that refuses when it is full."""

import asyncio
import threading
from typing import Any

import pytest

from services.twin.adapters.model_cache import ModelCache
from services.twin.adapters.work_pool import BoundedPool, PoolFull


class Loader:
    """Loads when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = asyncio.Event()

    async def __call__(self, digest: str) -> Any:
        self.asked.append(digest)
        await self.gate.wait()
        if digest == "broken":
            raise OSError(digest)
        return f"model {digest}"


async def test_requests_for_one_model_wait_for_one_load_even_if_the_first_gives_up():
    loader = Loader()
    cache = ModelCache(2, loader)
    impatient, patient = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    loader.gate.set()
    assert await patient == "model a"
    assert (loader.asked, impatient.cancelled()) == (["a"], True)


async def test_a_load_that_failed_is_tried_again_by_the_next_request():
    loader = Loader()
    loader.gate.set()
    cache = ModelCache(2, loader)
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            await cache.get("broken")
    assert loader.asked == ["broken", "broken"]


async def test_the_least_recently_used_model_makes_room():
    loader = Loader()
    loader.gate.set()
    cache = ModelCache(2, loader)
    for digest in ("a", "b", "a", "c"):
        await cache.get(digest)
    assert [digest in cache for digest in "abc"] == [True, False, True]
    assert (len(cache), cache.peek("b")) == (2, None)


async def test_a_full_pool_refuses_and_takes_work_again_when_a_call_has_ended():
    pool, gate = BoundedPool(threads=1, waiting_limit=1), threading.Event()
    running, waiting = (asyncio.create_task(pool.run(gate.wait)) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(PoolFull) as refusal:
        await pool.run(lambda: True)
    assert refusal.value.retry_after_s == 1.0
    gate.set()
    assert await asyncio.gather(running, waiting) == [True, True]
    assert await pool.run(lambda: 5) == 5
    pool.close()


async def test_a_call_whose_caller_gave_up_counts_until_it_has_ended():
    pool, gate = BoundedPool(threads=1, waiting_limit=0), threading.Event()
    abandoned = asyncio.create_task(pool.run(gate.wait))
    await asyncio.sleep(0)
    abandoned.cancel()
    await asyncio.sleep(0)
    with pytest.raises(PoolFull):
        await pool.run(lambda: True)
    gate.set()
    pool.close()
