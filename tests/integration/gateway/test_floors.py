"""A revocation is heard of everywhere within two seconds, whatever happens to Redis and to the connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.adapters.redis_floors import HISTORY, MOST_KEPT, RedisFloors
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.floors import FRESH_S, KnownFloors
from shared.clock import SystemClock
from shared.redis_client import async_client, blocking_client
from tests.integration.conftest import Valkey

ANN = (Stamp("user:ann", 1),)
PROMISED_S = 2.0


class Replica:
    """A process that remembers verifications; `counts` is what its doorman would do with one of them."""

    def __init__(self, url: str) -> None:
        self.clock = SystemClock()
        self.dropped = 0
        self.known = KnownFloors(self._drop)
        self.redis = async_client(url)
        self.watch = FloorWatch(self.redis, self.known, self.clock)

    def _drop(self) -> None:
        self.dropped += 1

    def counts(self) -> bool:
        fresh = self.known.age_s(self.clock.monotonic_s()) <= FRESH_S
        return fresh and not self.known.ended(ANN)

    def has_ended(self, dropped_before: int) -> bool:
        return not self.counts() or self.dropped > dropped_before


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Replica]:
    one = Replica(url)
    await one.watch.read_now()
    running = asyncio.create_task(one.watch.run())
    yield one
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await one.redis.aclose()


@asynccontextmanager
async def floors_at(url: str) -> AsyncIterator[RedisFloors]:
    redis = async_client(url)
    yield RedisFloors(redis)
    await redis.aclose()


async def ends_in_time(one: Replica, since_s: float, dropped_before: int) -> bool:
    while not one.has_ended(dropped_before):
        if time.monotonic() - since_s > PROMISED_S:
            return False
        await asyncio.sleep(0.02)
    return True


async def test_a_floor_is_heard_of_by_every_replica_in_time_and_drops_nothing_else(redis_url: str):
    async with replica(redis_url) as first, replica(redis_url) as second, floors_at(redis_url) as floors:
        assert first.counts()
        assert second.counts()
        dropped = first.dropped, second.dropped
        await floors.raise_to(Stamp("session:s", 0), Stamp("user:ann", 2))
        since_s = time.monotonic()
        assert await ends_in_time(first, since_s, dropped[0])
        assert await ends_in_time(second, since_s, dropped[1])
        assert (first.dropped, second.dropped) == dropped
        assert first.known.ended(ANN)
        assert not first.known.ended((Stamp("user:ann", 2), Stamp("session:s", 0)))


async def test_a_reading_that_is_asked_for_hears_what_was_raised_before(redis_url: str):
    async with replica(redis_url) as one, floors_at(redis_url) as floors:
        for generation in range(2, 6):
            await floors.raise_to(Stamp("user:ann", generation))
            await asyncio.gather(*(one.watch.read_now() for _ in range(5)))
            assert one.known.ended((Stamp("user:ann", generation - 1),))
            assert not one.known.ended((Stamp("user:ann", generation),))


async def test_a_floor_never_sinks(redis_url: str):
    async with replica(redis_url) as one, floors_at(redis_url) as floors:
        await floors.raise_to(Stamp("user:ann", 5))
        await floors.raise_to(Stamp("user:ann", 1))
        await one.watch.read_now()
        assert one.known.ended((Stamp("user:ann", 4),))


async def test_a_connection_that_is_cut_hides_nothing(redis_url: str):
    async with replica(redis_url) as one, floors_at(redis_url) as floors:
        dropped = one.dropped
        with blocking_client(redis_url) as redis:
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await floors.raise_to(Stamp("user:ann", 2))
        assert await ends_in_time(one, time.monotonic(), dropped)


async def test_a_history_that_was_lost_or_cut_off_drops_all_that_is_remembered(redis_url: str):
    async with replica(redis_url) as one, floors_at(redis_url) as floors:
        dropped = one.dropped
        with blocking_client(redis_url) as redis:
            redis.flushall()
        # Somebody else begins a new history, in which what was lost does not stand.
        await floors.raise_to(Stamp("user:bob", 2))
        assert await ends_in_time(one, time.monotonic(), dropped)
        assert one.dropped == dropped + 1
        with blocking_client(redis_url) as redis:
            redis.xadd(HISTORY, {"name": "", "generation": 0}, maxlen=1, approximate=False)
        await one.watch.read_now()
        assert one.dropped == dropped + 2


async def test_while_redis_hangs_nothing_remembered_counts_and_afterwards_all_is_heard(own_valkey: Valkey):
    async with replica(own_valkey.url) as one, floors_at(own_valkey.url) as floors:
        dropped = one.dropped
        await floors.raise_to(Stamp("user:ann", 2))
        own_valkey.stall()
        since_s = time.monotonic()
        assert await ends_in_time(one, since_s, dropped)
        await asyncio.sleep(max(0.0, FRESH_S - one.known.age_s(time.monotonic())))
        assert not one.counts()
        started_s = time.monotonic()
        with pytest.raises(RedisAway):
            await one.watch.read_now()
        assert time.monotonic() - started_s < 1.0
        own_valkey.resume()
        while one.known.age_s(time.monotonic()) > FRESH_S:
            assert time.monotonic() - started_s < 10
            await asyncio.sleep(0.02)
        assert one.known.ended(ANN) or one.dropped > dropped


async def test_a_server_that_comes_back_with_the_same_history_is_not_believed_blindly(own_valkey: Valkey):
    async with replica(own_valkey.url) as one:
        dropped = one.dropped
        own_valkey.stop()
        own_valkey.start()
        started_s = time.monotonic()
        while one.dropped == dropped:
            assert time.monotonic() - started_s < PROMISED_S + 1
            await asyncio.sleep(0.02)


async def test_what_could_not_be_announced_holds_here_at_once_and_elsewhere_as_soon_as_redis_answers(
    own_valkey: Valkey,
):
    heard: list[Stamp] = []
    redis = async_client(own_valkey.url, timeout_s=0.1)
    floors = RedisFloors(redis, heard.append)
    announcing = asyncio.create_task(floors.run())
    own_valkey.stop()
    with pytest.raises(RedisAway):
        await floors.raise_to(*ANN)
    assert heard == list(ANN)
    await asyncio.to_thread(own_valkey.start)
    await asyncio.sleep(PROMISED_S / 2)
    with blocking_client(own_valkey.url) as onlooker:
        # And once: what was announced is not owed any longer.
        told = [fields[b"name"] for _, fields in onlooker.xrange(HISTORY)]
    announcing.cancel()
    await redis.aclose()
    assert told == [b"user:ann"]


async def test_the_history_is_bounded(redis_url: str):
    async with floors_at(redis_url) as floors:
        stamps = [Stamp(f"user:{number}", 1) for number in range(500)]
        for _ in range(MOST_KEPT // 500 + 2):
            await floors.raise_to(*stamps)
    with blocking_client(redis_url) as redis:
        assert redis.xlen(HISTORY) < MOST_KEPT + 500
