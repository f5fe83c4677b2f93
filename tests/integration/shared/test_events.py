"""Event streams on a real server, with consumers and the server going away."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import pytest
from redis.asyncio import Redis

from shared import events
from shared.background import running
from shared.contracts.alert import Alert, Severity
from shared.database import DatabaseUnavailable
from shared.errors import JSON
from shared.events import BLOCK_S, EventConsumer, EventsUnavailable, Handle, publish, publish_alert
from shared.redis_client import async_client, async_waiting_client

LIMIT_S = 15


class Server(Protocol):
    """What these tests do to a server of their own."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def stall(self) -> None: ...
    def resume(self) -> None: ...


class Inbox:
    """Keeps what it is given, after the failures it was told to have."""

    def __init__(self, *failures: Exception) -> None:
        self.seen = []
        self._failures = list(failures)

    async def handle(self, payload: Mapping[str, JSON]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.seen.append(payload)

    async def holds(self, *payloads: Mapping[str, JSON]) -> None:
        await wait(lambda: self.seen == list(payloads))


async def wait(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def consuming(url: str, handle: Handle, *, consumer: str = "one", group: str = "readers"):
    async with async_waiting_client(url, wait_s=BLOCK_S) as redis:
        consumer_of_s = EventConsumer(redis, "s", group=group, consumer=consumer, handle=handle)
        async with running({"events": consumer_of_s.run}):
            yield


@pytest.fixture
async def redis(redis_url: str):
    async with async_client(redis_url, timeout_s=5) as client:
        yield client


async def test_events_published_before_and_after_the_consumer_came_arrive_in_order(
    redis: Redis, redis_url: str
) -> None:
    inbox = Inbox()
    await publish(redis, "s", {"n": 1})
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 1})
        await publish(redis, "s", {"n": 2})
        await inbox.holds({"n": 1}, {"n": 2})
        async with asyncio.timeout(LIMIT_S):
            while (await redis.xpending("s", "readers"))["pending"]:
                await asyncio.sleep(0.01)


async def test_each_group_gets_every_event_and_its_members_share_them(redis: Redis, redis_url: str) -> None:
    first, second, other = Inbox(), Inbox(), Inbox()
    async with (
        consuming(redis_url, first.handle, consumer="one"),
        consuming(redis_url, second.handle, consumer="two"),
        consuming(redis_url, other.handle, group="others"),
    ):
        for n in range(20):
            await publish(redis, "s", {"n": n})
        await other.holds(*({"n": n} for n in range(20)))
        await wait(lambda: len(first.seen) + len(second.seen) == 20)
    assert sorted(event["n"] for event in first.seen + second.seen) == list(range(20))


async def test_an_event_its_consumer_was_handling_when_it_died_is_handled_after_its_restart(
    redis: Redis, redis_url: str
) -> None:
    started = asyncio.Event()

    async def hang(_payload: Mapping[str, JSON]) -> None:
        started.set()
        await asyncio.Event().wait()

    await publish(redis, "s", {"n": 1})
    async with consuming(redis_url, hang):
        await asyncio.wait_for(started.wait(), LIMIT_S)
    inbox = Inbox()
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 1})


async def test_an_event_of_a_dead_consumer_goes_to_another(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECLAIM_AFTER_S", 0.05)
    await publish(redis, "s", {"n": 1})
    await redis.xgroup_create("s", "readers", id="0")
    await redis.xreadgroup("readers", "dead", {"s": ">"})
    inbox = Inbox()
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 1})


async def test_a_handler_that_needs_something_that_is_away_gets_the_event_again(redis: Redis, redis_url: str) -> None:
    inbox = Inbox(DatabaseUnavailable(), DatabaseUnavailable())
    await publish(redis, "s", {"n": 1})
    await publish(redis, "s", {"n": 2})
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 1}, {"n": 2})


async def test_an_event_that_breaks_its_handler_is_set_aside_and_the_next_one_handled(
    redis: Redis, redis_url: str
) -> None:
    inbox = Inbox(KeyError("bug"))
    await publish(redis, "s", {"n": 1})
    await publish(redis, "s", {"n": 2})
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 2})
    ((_, rejected),) = await redis.xrange("s:rejected")
    assert rejected == {b"payload": b'{"n":1}', b"reason": b"KeyError"}


async def test_an_event_that_is_not_json_is_set_aside(redis: Redis, redis_url: str) -> None:
    inbox = Inbox()
    await redis.xadd("s", {"payload": "{"})
    await publish(redis, "s", {"n": 2})
    async with consuming(redis_url, inbox.handle):
        await inbox.holds({"n": 2})
    assert await redis.xlen("s:rejected") == 1


async def test_a_consumer_survives_a_server_that_restarts_and_one_that_lost_its_data(own_valkey: Server) -> None:
    inbox = Inbox()
    async with async_client(own_valkey.url) as redis, consuming(own_valkey.url, inbox.handle):
        await publish(redis, "s", {"n": 1})
        await inbox.holds({"n": 1})
        own_valkey.stop()
        with pytest.raises(EventsUnavailable):
            await publish(redis, "s", {"n": 2})
        own_valkey.start()
        await publish(redis, "s", {"n": 3})
        await inbox.holds({"n": 1}, {"n": 3})
        await redis.flushall()
        await publish(redis, "s", {"n": 4})
        await inbox.holds({"n": 1}, {"n": 3}, {"n": 4})


async def test_publishing_to_a_server_that_hangs_fails_within_the_timeout(own_valkey: Server) -> None:
    async with async_client(own_valkey.url) as redis:
        await publish(redis, "s", {"n": 1})
        own_valkey.stall()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        with pytest.raises(EventsUnavailable):
            await publish(redis, "s", {"n": 2})
        assert loop.time() - began_s < 1
        own_valkey.resume()


async def test_a_stream_does_not_grow_for_ever(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_LENGTH", 100)
    for n in range(500):
        await publish(redis, "s", {"n": n})
    assert 100 <= await redis.xlen("s") < 300


async def test_an_alert_arrives_as_it_was_sent(redis: Redis, redis_url: str) -> None:
    alert = Alert(
        id="a1",
        source="twin",
        kind="prediction_out_of_range",
        severity=Severity.WARNING,
        asset="acme.osaka.reactor.r101",
        subject="yield",
        message="The predicted yield is below 80 %.",
        facts={"prediction": 78.5},
        occurred_at=datetime(2026, 4, 1, tzinfo=UTC),
        dedup_key="twin:yield:low",
    )
    await publish_alert(redis, alert)
    ((_, fields),) = await redis.xrange(events.ALERTS)
    assert Alert.from_json(events.parse(fields[b"payload"])) == alert
