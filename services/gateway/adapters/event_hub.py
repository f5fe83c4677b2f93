"""What happens in the suite, read from Redis once and handed to everybody of this process who follows it."""

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import prometheus_client
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.domain.errors import InvalidQuery, RedisAway, TooManyStreams
from services.gateway.domain.events import EndReason, Happening
from shared.back_off import BackOff
from shared.contracts import fields
from shared.contracts.alert import Alert
from shared.contracts.fields import PayloadInvalid, parse
from shared.contracts.job import Job
from shared.errors import JSON
from shared.events import ALERTS, BLOCK_S, JOBS, PAYLOAD, Event, newest, read_after, read_between
from shared.log import get_logger

# One person with a few windows, and all of a plant.
STREAMS_PER_CALLER = 8
# Each key counts by itself: the keys of one user must not take all places together.
STREAMS_PER_OWNER = 40
STREAMS = 200
# What a reader may be behind; a burst of a few seconds.
WAITING_EVENTS = 256
# What a reader who comes back is told of each stream at most: the newest.
REPLAYED_EVENTS = 1_000
_BACK_OFF_MAX_S = 5.0
_POSITION = re.compile(r"(\d{1,15}-\d{1,15})_(\d{1,15}-\d{1,15})")

log = get_logger(__name__)


class Follower:
    """Implements `events.Subscription`: what one reader has still to be told."""

    def __init__(self, position: str, leaving: Callable[[], bool], capacity: int) -> None:
        self._position = position
        self._leaving = leaving
        self._replay: deque[Happening] = deque()
        self._waiting: asyncio.Queue[Happening] = asyncio.Queue(capacity)
        self._too_slow = False

    @property
    def position(self) -> str:
        return self._position

    @property
    def too_slow(self) -> bool:
        """Whether more happened than this reader took."""
        return self._too_slow

    def replay(self, happenings: list[Happening]) -> None:
        """Tell these first."""
        self._replay.extend(happenings)

    def put(self, happening: Happening) -> None:
        """Have something told; never waits."""
        try:
            self._waiting.put_nowait(happening)
        except asyncio.QueueFull:
            self._too_slow = True

    async def next(self, timeout_s: float) -> Happening | EndReason | None:
        if self._too_slow:
            return EndReason.TOO_SLOW
        if self._leaving():
            return EndReason.RESTARTING
        if self._replay:
            return self._replay.popleft()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiting.get()
        except TimeoutError:
            return None


class EventHub:
    """Implements `events.EventFeed`.

    Parameters
    ----------
    redis
        A client made by `async_waiting_client(url, wait_s=BLOCK_S)`.
    """

    def __init__(self, redis: Redis, registry: prometheus_client.CollectorRegistry) -> None:
        self._redis = redis
        self._positions: dict[str, bytes] = {}
        self._followers: list[Follower] = []
        self._callers: Counter[str] = Counter()
        self._leaving: Callable[[], bool] = lambda: False
        self._open = prometheus_client.Gauge(
            "futago_gateway_event_streams", "Event streams that are open", registry=registry
        )
        self._cut = prometheus_client.Counter(
            "futago_gateway_event_streams_cut",
            "Event streams that ended because their reader was slow",
            registry=registry,
        )

    def end_when(self, leaving: Callable[[], bool]) -> None:
        """End every stream once this says so: a process that leaves must not wait for readers who never do."""
        self._leaving = leaving

    async def run(self) -> None:
        """Read until cancelled, by `shared.background.running`; while Redis is away, wait for it."""
        back_off = BackOff(longest_s=_BACK_OFF_MAX_S)
        while True:
            try:
                positions = {stream: await newest(self._redis, stream) for stream in (ALERTS, JOBS)}
                # Where the reading was broken off, it goes on: those who follow miss nothing.
                self._positions = positions | self._positions
                while True:
                    for stream, event in _in_order(await read_after(self._redis, self._positions, block_s=BLOCK_S)):
                        self._hand_out(stream, event)
                    back_off.reset()
            except RedisError as error:
                log.warning("event_hub_waits_for_redis", error=type(error).__name__)
                await back_off.pause()

    @asynccontextmanager
    async def subscribe(self, who: str, after: str | None, *, owner: str | None = None) -> AsyncIterator[Follower]:
        known = None if after is None else _read_position(after)
        if not self._positions:
            raise RedisAway
        counted = {who: STREAMS_PER_CALLER}
        if owner is not None:
            counted[f"keys of {owner}"] = STREAMS_PER_OWNER
        for name, most in counted.items():
            if self._callers[name] >= most:
                raise TooManyStreams(most)
        if len(self._followers) >= STREAMS:
            raise TooManyStreams(STREAMS)
        begin = dict(self._positions)
        follower = Follower(_write_position(known or begin), self._leaving, WAITING_EVENTS)
        # From here on it hears of what is new, while what it missed is fetched.
        self._callers.update(counted.keys())
        self._followers.append(follower)
        self._open.inc()
        try:
            if known is not None:
                follower.replay(await self._missed(known, begin))
            yield follower
        finally:
            self._followers.remove(follower)
            self._callers -= Counter(counted.keys())
            self._open.dec()
            if follower.too_slow:
                self._cut.inc()

    def _hand_out(self, stream: str, event: Event) -> None:
        self._positions[stream] = event[0]
        what = _read(stream, event)
        if what is not None:
            happening = Happening(_write_position(self._positions), what)
            for follower in self._followers:
                follower.put(happening)

    async def _missed(self, known: Mapping[str, bytes], to: Mapping[str, bytes]) -> list[Happening]:
        try:
            found = [
                (stream, event)
                for stream in (ALERTS, JOBS)
                for event in await read_between(self._redis, stream, known[stream], to[stream], limit=REPLAYED_EVENTS)
            ]
        except RedisError as error:
            raise RedisAway from error
        missed, positions = [], dict(known)
        for stream, event in _in_order(found):
            positions[stream] = event[0]
            what = _read(stream, event)
            if what is not None:
                missed.append(Happening(_write_position(positions), what))
        return missed


def _read(stream: str, event: Event) -> Alert | Job | None:
    event_id, content = event
    try:
        document = parse((content or {}).get(PAYLOAD, b""))
        return Alert.from_json(document) if stream == ALERTS else _job(document)
    except PayloadInvalid as error:
        log.warning("event_unreadable", stream=stream, event_id=event_id.decode(), reason=str(error))
        return None


def _job(document: Mapping[str, JSON]) -> Job:
    owner = fields.optional_text(document, "owner")
    return replace(Job.from_json(fields.mapping(document, "job")), owner=owner)


def _in_order(found: Sequence[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """As they happened, to the millisecond: no stream knows of the other."""

    def moment(pair: tuple[str, Event]) -> tuple[int, int]:
        milliseconds, _, sequence = pair[1][0].partition(b"-")
        return int(milliseconds), int(sequence)

    return sorted(found, key=moment)


def _write_position(positions: Mapping[str, bytes]) -> str:
    return f"{positions[ALERTS].decode()}_{positions[JOBS].decode()}"


def _read_position(text: str) -> dict[str, bytes]:
    parts = _POSITION.fullmatch(text)
    if parts is None or not text.isascii():
        raise InvalidQuery("Last-Event-ID", "send the id of the last event as it came")
    return {ALERTS: parts[1].encode(), JOBS: parts[2].encode()}
