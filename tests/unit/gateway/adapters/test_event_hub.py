"""One reader for all who follow, and none of them holds up the others."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisGone

from services.gateway.adapters.event_hub import STREAMS_PER_CALLER, STREAMS_PER_OWNER, WAITING_EVENTS, EventHub
from services.gateway.domain.credentials import Stamp, Verified
from services.gateway.domain.errors import RedisAway, TooManyStreams
from services.gateway.domain.events import Begin, End, EndReason, EventDesk, Happening, Heartbeat, Word
from services.gateway.domain.floors import KnownFloors
from shared.contracts.alert import Alert, Severity
from shared.contracts.job import Job, JobState
from shared.events import ALERTS, JOBS
from tests.unit.gateway.fakes import NOW, FakeClock, principal

ALERT = Alert("a1", "twin", "out_of_range", Severity.WARNING, None, "yield", "too hot", NOW, "k1")

JOB = Job("j1", "anomaly.train", JobState.RUNNING, {"fraction": 0.5}, NOW, NOW, None, 1, None, None, owner="olga")


class FakeStreams:
    """Streams of Redis, as far as the hub reads them."""

    def __init__(self) -> None:
        self.events: dict[str, list[tuple[bytes, dict[bytes, bytes]]]] = {}
        self.stirred = asyncio.Event()
        self.away = False

    def add(self, payload: bytes | Mapping[str, Any], stream: str = ALERTS) -> None:
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        entries = self.events.setdefault(stream, [])
        entries.append((f"{len(entries) + 1}-0".encode(), {b"payload": text}))
        self.stirred.set()

    async def xrevrange(self, stream: str, max: bytes = b"+", min: bytes = b"-", count: int = 1) -> Any:  # noqa: A002
        first = int(min[1:].split(b"-")[0]) if min != b"-" else 0
        last = int(max.split(b"-")[0]) if max != b"+" else 10**9
        found = [event for event in self.events.get(stream, []) if first < int(event[0].split(b"-")[0]) <= last]
        return list(reversed(found))[:count]

    async def xread(self, positions: Mapping[str, bytes], count: int, block: int) -> Any:
        if self.away:
            raise RedisGone
        found = [
            (stream.encode(), [e for e in self.events.get(stream, []) if int(e[0][:-2]) > int(after[:-2])][:count])
            for stream, after in positions.items()
        ]
        if not any(events for _, events in found):
            self.stirred.clear()
            await self.stirred.wait()
            return []
        return found


@pytest.fixture
def streams() -> FakeStreams:
    return FakeStreams()


@pytest.fixture
async def hub(streams: FakeStreams) -> AsyncIterator[EventHub]:
    hub = EventHub(streams, CollectorRegistry())
    reading = asyncio.create_task(hub.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield hub
    reading.cancel()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_everybody_hears_of_what_happens_after_they_came(hub: EventHub, streams: FakeStreams):
    streams.add(ALERT.to_json())
    await settle()
    async with hub.subscribe("olga", None) as hers, hub.subscribe("paul", None) as his:
        streams.add(replace(ALERT, id="a2").to_json())
        told = [await reader.next(1.0) for reader in (hers, his)]
        assert told == [Happening("2-0_0-0", replace(ALERT, id="a2"))] * 2
        assert await hers.next(0.0) is None


async def test_a_reader_who_comes_back_misses_nothing_and_hears_nothing_twice(hub: EventHub, streams: FakeStreams):
    for number in range(5):
        streams.add(replace(ALERT, id=f"a{number}").to_json())
    await settle()
    async with hub.subscribe("olga", "2-0_0-0") as reader:
        streams.add(replace(ALERT, id="a5").to_json())
        await settle()
        told = [await reader.next(1.0) for _ in range(4)]
        assert [word.what.id for word in told if isinstance(word, Happening)] == ["a2", "a3", "a4", "a5"]


async def test_what_two_streams_tell_at_once_comes_in_the_order_in_which_it_happened(
    hub: EventHub, streams: FakeStreams
):
    async with hub.subscribe("olga", None) as reader:
        # Both lie there before the hub has its turn.
        streams.add({"owner": "olga", "job": JOB.to_json()}, JOBS)
        streams.add(b"read by nobody")
        streams.add(ALERT.to_json())
        told = [await reader.next(1.0) for _ in range(2)]
    assert [word.what.id for word in told if isinstance(word, Happening)] == ["j1", "a1"]


async def test_a_slow_reader_is_cut_off_and_the_others_go_on(hub: EventHub, streams: FakeStreams):
    async with hub.subscribe("slow", None) as slow, hub.subscribe("quick", None) as quick:
        for number in range(WAITING_EVENTS + 1):
            streams.add(replace(ALERT, id=f"a{number}").to_json())
            heard = await quick.next(1.0)
            assert isinstance(heard, Happening)
        assert await slow.next(1.0) is EndReason.TOO_SLOW


async def test_an_event_nobody_can_read_is_passed_over(hub: EventHub, streams: FakeStreams):
    async with hub.subscribe("olga", None) as reader:
        for payload in (b"no JSON", b"[]", b'{"id": 1}', b'{"owner": 1, "job": {}}'):
            streams.add(payload)
            streams.add(payload, "futago:events:jobs")
        streams.add(ALERT.to_json())
        heard = await reader.next(1.0)
        assert isinstance(heard, Happening)
        assert heard.what == ALERT


async def test_a_caller_has_so_many_streams_and_those_that_end_make_room(hub: EventHub):
    for _ in range(2):
        open_ones = [hub.subscribe("olga", None) for _ in range(STREAMS_PER_CALLER)]
        for one in open_ones:
            await one.__aenter__()
        with pytest.raises(TooManyStreams):
            await hub.subscribe("olga", None).__aenter__()
        async with hub.subscribe("paul", None):
            pass
        for one in open_ones:
            await one.__aexit__(None, None, None)


async def test_keys_of_one_owner_do_not_take_all_places(hub: EventHub):
    async with AsyncExitStack() as opened:
        for number in range(STREAMS_PER_OWNER):
            await opened.enter_async_context(hub.subscribe(f"key:{number}", None, owner="olga"))
        with pytest.raises(TooManyStreams):
            await hub.subscribe("key:new", None, owner="olga").__aenter__()
        for who, owner in (("olga", None), ("key:p", "paul")):
            await opened.enter_async_context(hub.subscribe(who, None, owner=owner))
    async with hub.subscribe("key:new", None, owner="olga"):
        pass


async def test_before_anything_was_read_there_is_nothing_to_follow(streams: FakeStreams):
    with pytest.raises(RedisAway):
        await EventHub(streams, CollectorRegistry()).subscribe("olga", None).__aenter__()


async def test_a_process_that_leaves_lets_go_of_its_readers(hub: EventHub):
    async with hub.subscribe("olga", None) as reader:
        hub.end_when(lambda: True)
    async with hub.subscribe("olga", None) as reader:
        assert await reader.next(1.0) is EndReason.RESTARTING


class Silence:
    """A feed in which nothing happens; each look takes as long as it may."""

    position = "0-0_0-0"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    @asynccontextmanager
    async def subscribe(self, who: str, after: str | None, *, owner: str | None = None) -> AsyncIterator["Silence"]:
        yield self

    async def next(self, timeout_s: float) -> None:
        self.clock.advance(seconds=max(timeout_s, 0.001))


class Desk:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.floors = KnownFloors(lambda: None)
        self.desk = EventDesk(feed=Silence(self.clock), floors=self.floors, clock=self.clock)
        self.caller = Verified(principal(), NOW + timedelta(minutes=10), (Stamp("session:s1", 0),))
        self.lives = True

    async def words(self, most: int) -> list[Word]:
        told: list[Word] = []
        async for word in self.desk.follow(self.caller, None):
            told.append(word)
            if len(told) == most:
                break
        return told


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_silent_stream_beats_until_its_token_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    # As if it were read all the time.
    monkeypatch.setattr(desk.floors, "age_s", lambda _: 0.0)
    told = await desk.words(100)
    assert told[0] == Begin("0-0_0-0")
    assert told[1:-1] == [Heartbeat()] * (len(told) - 2)
    assert 55 <= len(told) <= 62
    assert told[-1] == End(EndReason.EXPIRED)


async def test_a_stream_ends_once_a_floor_has_passed_its_caller(desk: Desk):
    desk.floors.have_read(desk.clock.monotonic_s())
    desk.floors.raise_to(Stamp("session:s1", 1), 0.0)
    assert await desk.words(2) == [Begin("0-0_0-0"), End(EndReason.REVOKED)]


@pytest.mark.parametrize("fault", ["unread", "missed"])
async def test_a_stream_ends_where_nobody_can_say_whether_its_caller_counts(desk: Desk, fault: str):
    if fault == "missed":
        desk.floors.have_read(desk.clock.monotonic_s() + 3600)
        words = desk.desk.follow(desk.caller, None)
        assert await anext(words) == Begin("0-0_0-0")
        desk.floors.have_missed()
        assert await anext(words) == End(EndReason.UNAVAILABLE)
    else:
        assert await desk.words(2) == [Begin("0-0_0-0"), End(EndReason.UNAVAILABLE)]
