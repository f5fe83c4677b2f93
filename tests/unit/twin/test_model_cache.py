"""Loading once for all who wait, and making room."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from services.twin.adapters.model_cache import ModelCache


@dataclass(frozen=True)
class FakeModel:
    digest: str
    size_bytes: int = 10


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
        return FakeModel(digest)


async def test_requests_for_one_model_wait_for_one_load_even_if_the_first_gives_up():
    loader = Loader()
    cache = ModelCache(2, 1_000, loader)
    impatient, patient = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    loader.gate.set()
    assert await patient == FakeModel("a")
    assert (loader.asked, impatient.cancelled()) == (["a"], True)


async def test_a_load_that_failed_is_tried_again_by_the_next_request():
    loader = Loader()
    loader.gate.set()
    cache = ModelCache(2, 1_000, loader)
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            await cache.get("broken")
    assert loader.asked == ["broken", "broken"]


async def test_the_least_recently_used_model_makes_room():
    loader = Loader()
    loader.gate.set()
    cache = ModelCache(2, 1_000, loader)
    for digest in ("a", "b", "a", "c"):
        await cache.get(digest)
    assert [digest in cache for digest in "abc"] == [True, False, True]
    assert (len(cache), cache.peek("b")) == (2, None)


async def test_models_make_room_when_together_they_are_too_large():
    cache: Any = ModelCache(10, 100, Loader())
    for digest, size_bytes in [("a", 40), ("b", 40), ("a", 50), ("c", 30)]:
        cache.put(digest, FakeModel(digest, size_bytes))
    assert ([digest in cache for digest in "abc"], cache.size_bytes) == ([True, False, True], 80)
    cache.put("huge", FakeModel("huge", 500))
    assert (len(cache), cache.size_bytes, "huge" in cache) == (1, 500, True)
    cache.put("a", FakeModel("a", 100))
    assert (len(cache), cache.size_bytes) == (1, 100)
