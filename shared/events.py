"""Events between services, on Redis streams: published once, handled at least once, in order, by one of a group.

A stream is cut at about `STREAM_LENGTH` events: readers that were away for longer miss the oldest, and Redis does not
fill up.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.back_off import BackOff
from shared.contracts.alert import Alert
from shared.contracts.fields import PayloadInvalid, parse
from shared.contracts.inspection import FinishedInspection
from shared.errors import JSON, AppError, Kind
from shared.log import get_logger

ALERTS = "futago:events:alerts"
INSPECTIONS = "futago:events:inspections"
JOBS = "futago:events:jobs"
STREAM_LENGTH = 10_000

# Redis waits this long for the next event; less than the timeout of the client.
BLOCK_S = 2.0
BATCH = 64
# A consumer that has not acknowledged for this long is dead; a handler takes milliseconds.
RECLAIM_AFTER_S = 30.0
PAYLOAD = b"payload"
BEGINNING = b"0-0"

# Its id, and its fields; `None` where the stream was cut before a consumer came back to it.
Event = tuple[bytes, dict[bytes, bytes] | None]
Handle = Callable[[Mapping[str, JSON]], Awaitable[None]]

log = get_logger(__name__)


class EventsUnavailable(AppError):
    """The event was not published: Redis does not answer."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "events.unavailable"

    def __init__(self) -> None:
        super().__init__("the event stream does not answer", retry_after_s=2.0)


async def publish(redis: Redis, stream: str, payload: Mapping[str, JSON]) -> None:
    """Append an event to a stream.

    Raises
    ------
    EventsUnavailable
        If Redis does not answer. Whether the caller fails or goes on without is the caller's to say.
    """
    try:
        await redis.xadd(stream, {PAYLOAD: event_text(payload)}, maxlen=STREAM_LENGTH, approximate=True)
    except RedisError as error:
        raise EventsUnavailable from error


def event_text(payload: Mapping[str, JSON]) -> str:
    """What stands in the field `PAYLOAD` of an event, for a script that appends it together with something else."""
    return json.dumps(payload, allow_nan=False, separators=(",", ":"))


async def publish_alert(redis: Redis, alert: Alert) -> None:
    """Send an alert to whoever keeps the list; errors as for `publish`."""
    await publish(redis, ALERTS, alert.to_json())


async def publish_inspection(redis: Redis, inspection: FinishedInspection) -> None:
    """Tell whoever judges the asset's condition; errors as for `publish`."""
    await publish(redis, INSPECTIONS, inspection.to_json())


async def newest(redis: Redis, stream: str) -> bytes:
    """Id of the newest event of a stream; of an empty one, the id before the first."""
    found: Any = await redis.xrevrange(stream, count=1)
    return found[0][0] if found else BEGINNING


async def read_after(redis: Redis, positions: Mapping[str, bytes], *, block_s: float) -> list[tuple[str, Event]]:
    """The next events of some streams, for a reader that belongs to no group and gets all of them.

    Parameters
    ----------
    positions
        For each stream the id of the last event that was read.
    block_s
        How long to wait where there is none [s]; see `async_waiting_client`.
    """
    streams: dict[Any, Any] = dict(positions)
    answer: Any = await redis.xread(streams, count=BATCH, block=round(block_s * 1000))
    return [(stream.decode(), event) for stream, events in answer or () for event in events]


async def read_between(redis: Redis, stream: str, after: bytes, to: bytes, *, limit: int) -> list[Event]:
    """The newest events of a stream that come after one and not after another, oldest first."""
    found: Any = await redis.xrevrange(stream, max=to, min=b"(" + after, count=limit)
    return list(reversed(found))


class EventConsumer:
    """Handles the events of one stream as a member of a group.

    An event is acknowledged after its handler returned, so one that was being handled when a process died is handled
    again: handlers must bear that. An event no handler can take (not JSON, or the handler has a bug) goes to
    `<stream>:rejected`, where a person can look at it; one that fails because something else is away is tried until
    it works, and those behind it wait.

    Parameters
    ----------
    redis
        A client made by `async_waiting_client(url, wait_s=BLOCK_S)`.
    group
        Members of a group share the events; each group gets all of them.
    consumer
        Name of this process, the same after a restart where that is possible: it then finds its unfinished events
        at once.
    """

    def __init__(self, redis: Redis, stream: str, *, group: str, consumer: str, handle: Handle) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._consumer = consumer
        self._handle = handle

    async def run(self) -> None:
        """Handle events until cancelled, by `shared.background.running`; while Redis is away, wait for it."""
        back_off = BackOff()
        while True:
            try:
                await self._ensure_group()
                await self._handle_unfinished()
                while True:
                    await self._reclaim()
                    await self._handle_new()
                    back_off.reset()
            except RedisError as error:
                log.warning("events_wait_for_redis", stream=self._stream, error=type(error).__name__)
                await back_off.pause()

    async def _ensure_group(self) -> None:
        try:
            # From the beginning: what was published before the first reader came is not lost.
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _handle_unfinished(self) -> None:
        """What this consumer was handling when it went away."""
        while events := await self._read("0", block_s=None):
            await self._handle_all(events)

    async def _handle_new(self) -> None:
        await self._handle_all(await self._read(">", block_s=BLOCK_S))

    async def _read(self, start: str, *, block_s: float | None) -> list[Event]:
        answer: Any = await self._redis.xreadgroup(
            self._group,
            self._consumer,
            {self._stream: start},
            count=BATCH,
            block=None if block_s is None else round(block_s * 1000),
        )
        return [event for _, events in answer or () for event in events]

    async def _reclaim(self) -> None:
        """Take over what a consumer that died was handling."""
        answer: Any = await self._redis.xautoclaim(
            self._stream, self._group, self._consumer, min_idle_time=round(RECLAIM_AFTER_S * 1000), count=BATCH
        )
        await self._handle_all(answer[1])

    async def _handle_all(self, events: list[Event]) -> None:
        for event_id, fields in events:
            if fields:
                await self._handle_one(event_id, fields)
            else:
                log.warning("event_lost", stream=self._stream, event_id=event_id.decode())
            await self._redis.xack(self._stream, self._group, event_id)

    async def _handle_one(self, event_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        back_off = BackOff()
        while True:
            try:
                await self._handle(parse(fields.get(PAYLOAD, b"")))
            except AppError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    await self._reject(event_id, fields, error)
                    return
                log.warning("event_waits", stream=self._stream, event_id=event_id.decode(), code=error.code)
                await back_off.pause()
            except RedisError:
                raise
            except Exception as error:  # noqa: BLE001 (one bad event must not stop those behind it)
                await self._reject(event_id, fields, error)
                return
            else:
                return

    async def _reject(self, event_id: bytes, fields: Mapping[bytes, bytes], error: Exception) -> None:
        reason = str(error) if isinstance(error, PayloadInvalid) else type(error).__name__
        log.error("event_rejected", stream=self._stream, event_id=event_id.decode(), reason=reason, exc_info=error)
        rejected: dict[Any, Any] = {**fields, b"reason": reason.encode()}
        await self._redis.xadd(f"{self._stream}:rejected", rejected, maxlen=STREAM_LENGTH, approximate=True)
