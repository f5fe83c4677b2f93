"""The cache of predictions: what it remembers, and that it never gets in the way."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisSlow

from services.twin.adapters.prediction_cache import LayeredPredictionCache
from services.twin.domain.caching import cache_key
from tests.unit.twin.fake_serving import DoublingModel, stage


class FakeRedis:
    """What the cache asks of Redis; `error` is raised by every command."""

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}
        self.expiry_s: set[int] = set()
        self.error: Exception | None = None
        self.asked = 0
        self._queued: list[tuple[bytes, bytes, int]] = []

    async def get(self, key: bytes) -> bytes | None:
        self.asked += 1
        self._fail()
        return self.content.get(key)

    def pipeline(self, *, transaction: bool) -> "FakeRedis":
        assert not transaction
        return self

    def set(self, key: bytes, content: bytes, *, ex: int) -> None:
        self._queued.append((key, content, ex))

    async def execute(self) -> None:
        self._fail()
        for key, content, ex in self._queued:
            self.content[key] = content
            self.expiry_s.add(ex)
        self._queued.clear()

    async def ping(self) -> None:
        self._fail()

    async def aclose(self) -> None:
        pass

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class Desk:
    """A cache with what surrounds it; several may share one Redis, as replicas do."""

    def __init__(self, clock: Any, redis: FakeRedis, *, lru_entries: int = 3, redis_from_row_us: float = 0.0) -> None:
        self.metrics = CollectorRegistry()
        self.cache = LayeredPredictionCache(
            redis,
            clock,
            ttl_s=300,
            lru_entries=lru_entries,
            redis_from_row_us=redis_from_row_us,
            metrics=self.metrics,
        )
        self.model = DoublingModel()
        self.stage = stage(clock, self.model, cache=self.cache)

    async def opened(self) -> "Desk":
        await self.cache.open()
        return self

    async def ask(self, x: float = 4.0, **options: Any) -> tuple[float, bool]:
        found = await self.stage.predict(x, **options)
        for task in (self.cache._writing, self.cache._reopening):
            if task is not None:
                await task
        return found.prediction, found.from_cache

    def count(self, tier: str, outcome: str) -> float:
        return self.metrics.get_sample_value("futago_twin_cache_total", {"tier": tier, "outcome": outcome}) or 0.0


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


async def test_the_same_question_is_computed_once(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis).opened()
    assert [await desk.ask() for _ in range(3)] == [(8.0, False), (8.0, True), (8.0, True)]
    assert (desk.model.computed, desk.count("lru", "hit"), desk.count("lru", "miss")) == (1, 2, 1)
    assert redis.expiry_s == {300}


async def test_everything_but_the_mark_is_the_same_from_either_tier(clock: Any, redis: FakeRedis):
    first, second = await Desk(clock, redis).opened(), await Desk(clock, redis).opened()
    computed = await first.stage.predict(9.99, y=-3.0)
    await first.cache.close()
    for found in (await first.stage.predict(9.99, y=-3.0), await second.stage.predict(9.99, y=-3.0)):
        assert found.from_cache
        assert {**vars_of(found), "from_cache": False} == vars_of(computed)
    assert (second.model.computed, second.count("redis", "hit")) == (0, 1)


def vars_of(prediction: Any) -> dict[str, Any]:
    return {name: getattr(prediction, name) for name in prediction.__slots__}


async def test_another_value_level_version_digest_or_revision_is_another_question(clock: Any):
    model, values = DoublingModel(), (4.0, 1.0)
    keys = {
        cache_key(model, values, 0.9, 0),
        cache_key(model, (4.0, 1.0000000000000002), 0.9, 0),
        cache_key(model, (1.0, 4.0), 0.9, 0),
        cache_key(model, values, 0.8, 0),
        cache_key(model, values, 0.9, 1),
        cache_key(DoublingModel(version="2"), values, 0.9, 0),
        cache_key(DoublingModel(digest="e"), values, 0.9, 0),
        cache_key(DoublingModel(name="treble"), values, 0.9, 0),
    }
    assert len(keys) == 8
    assert cache_key(model, (4, 1), 0.9, 0) in keys


async def test_the_least_used_of_the_own_memory_makes_room(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis, lru_entries=2).opened()
    for x in (1.0, 2.0, 1.0, 3.0):
        await desk.ask(x)
    redis.content.clear()
    assert [(await desk.ask(x))[1] for x in (1.0, 3.0, 2.0)] == [True, True, False]


async def test_what_is_remembered_grows_too_old(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis).opened()
    await desk.ask()
    redis.content.clear()
    clock.step(300.0)
    assert await desk.ask() == (8.0, False)


@pytest.mark.parametrize("error", [RedisAway("away"), RedisSlow("slow")])
async def test_a_redis_that_fails_is_left_alone_for_a_while_and_then_asked_again(
    clock: Any, redis: FakeRedis, error: Exception
):
    desk = await Desk(clock, redis).opened()
    redis.error = error
    assert [await desk.ask(x) for x in (1.0, 2.0, 3.0)] == [(2.0, False), (4.0, False), (6.0, False)]
    assert (redis.asked, desk.count("redis", "failed"), desk.count("redis", "skipped")) == (1, 1, 2)
    redis.error = None
    clock.step(5.0)
    # This one finds it closed and has it opened in the background; the next one asks again.
    await desk.ask(1.5)
    await desk.ask(2.5)
    assert (redis.asked, len(redis.content)) == (2, 1)


async def test_a_redis_that_is_away_at_the_start_is_found_later(clock: Any, redis: FakeRedis):
    redis.error = RedisAway("away")
    desk = await Desk(clock, redis).opened()
    await desk.ask(1.0)
    redis.error = None
    clock.step(5.0)
    await desk.ask(2.0)
    await desk.ask(3.0)
    assert len(redis.content) == 1


async def test_a_write_that_fails_is_no_error(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis).opened()
    await desk.ask(1.0)
    redis.error = RedisAway("away")
    desk.cache.put(b"key", desk.model, await desk.stage.predict(1.0))
    await desk.cache.close()
    assert desk.count("redis", "failed") == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'["x",1,2,"in",[]]',
        b'[1,2,3,"where",[]]',
        b'[NaN,1,2,"in",[]]',
        b"\x80\x04K\x01.",
        b"[" * 100_000,
        b"[1" + b"0" * 400 + b',1,2,"in",[]]',
        b'[1,2,3,"in",["\\ud800"]]',
        b'[1,2,3,"in",["z"]]',
        b'[1,2,3,"in",[[]]]',
        b'[0,-1e308,1e308,"in",[]]',
    ],
)
async def test_what_somebody_else_wrote_there_is_not_believed(clock: Any, redis: FakeRedis, content: bytes):
    desk = await Desk(clock, redis, lru_entries=0).opened()
    await desk.ask()
    (key,) = redis.content
    redis.content[key] = content
    assert await desk.ask() == (8.0, False)


async def test_values_lie_in_redis_as_json_under_a_key_that_names_no_plant(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis).opened()
    await desk.ask()
    ((key, content),) = redis.content.items()
    assert key.startswith(b"futago:twin:prediction:1:")
    assert json.loads(content)[0] == 8.0


async def test_a_model_faster_than_redis_can_be_kept_out_of_it(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis, redis_from_row_us=50.0).opened()
    assert [await desk.ask() for _ in range(2)] == [(8.0, False), (8.0, True)]
    assert (redis.asked, redis.content) == (0, {})


async def test_an_uncertain_value_is_neither_remembered_nor_looked_up(clock: Any, redis: FakeRedis):
    desk = await Desk(clock, redis).opened()
    for _ in range(2):
        found = await desk.stage.predict({"value": 4.0, "quality": "uncertain"})
        assert (found.from_cache, found.applicability.state) == (False, "edge")
    assert redis.content == {}
