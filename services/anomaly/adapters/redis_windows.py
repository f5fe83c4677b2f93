"""What streams look back on, in Redis: read in one round trip; replaced, with its alerts, in another or not at all."""

from collections.abc import Callable, Sequence
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.anomaly.domain.streaming import Kept, StreamsUnavailable, TooManyStreams
from shared.contracts.alert import Alert
from shared.events import ALERTS, PAYLOAD, STREAM_LENGTH, event_text
from shared.log import get_logger

log = get_logger(__name__)

_TOKEN_BYTES = 16
_FULL = -1
# The first bytes of a value are another number after every writing: whoever read another one has lost the race.
# Beside the values stands when each will be forgotten, by the clock of Redis, so that they can be counted.
_REPLACE = """
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] == '' then
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. now_ms)
    if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then return -1 end
end
redis.call('ZADD', KEYS[3], now_ms + ARGV[3], KEYS[1])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
for i = 7, #ARGV do redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', ARGV[5], ARGV[i]) end
return 1
"""


def _nobody(_: Sequence[Alert]) -> None:
    """Alerts of these windows are counted nowhere."""


class RedisWindows:
    """Implements `streaming.WindowStore`.

    Parameters
    ----------
    space
        What the keys begin with.
    keep_s
        What is not written again for so long is forgotten.
    most
        Keys of this space at once; a further one is refused.
    raised
        Hears of the alerts that were sent.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        space: str,
        keep_s: float,
        most: int,
        raised: Callable[[Sequence[Alert]], None] = _nobody,
    ) -> None:
        self._redis = redis
        self._prefix = f"futago:anomaly:{space}:"
        self._index = f"futago:anomaly:{space}-index"
        self._keep_ms = round(keep_s * 1000)
        self._most, self._raised = most, raised
        self._replace = redis.register_script(_REPLACE)

    async def read(self, key: str) -> Kept:
        try:
            kept = await self._redis.get(self._prefix + key)
        except RedisError as error:
            raise _unavailable(error) from error
        return Kept(kept[:_TOKEN_BYTES], kept[_TOKEN_BYTES:]) if isinstance(kept, bytes) else Kept(b"", None)

    async def replace(self, key: str, token: bytes, body: bytes, alerts: Sequence[Alert]) -> bool:
        events = [event_text(alert.to_json()) for alert in alerts]
        arguments: list[bytes | str | int] = [
            token,
            uuid4().bytes + body,
            self._keep_ms,
            STREAM_LENGTH,
            PAYLOAD,
            self._most,
            *events,
        ]
        try:
            replaced = await self._replace(keys=[self._prefix + key, ALERTS, self._index], args=arguments)
        except RedisError as error:
            raise _unavailable(error) from error
        if replaced == _FULL:
            raise TooManyStreams(self._most)
        if replaced:
            self._raised(alerts)
        return bool(replaced)


def _unavailable(error: RedisError) -> StreamsUnavailable:
    log.warning("streams_unavailable", error=type(error).__name__)
    return StreamsUnavailable()
