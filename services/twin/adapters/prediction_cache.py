"""Predictions remembered in Redis, which all replicas share, behind a small memory of each process's own.

Redis may be away, slow or emptied at any time: a look-up waits some milliseconds at most, a failed one closes the way
to Redis until it has answered again in the background, and what is computed is written in the background too.
"""

import asyncio
import hashlib
import json
import math
from collections import OrderedDict, deque
from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.twin.domain.applicability import Applicability, State
from services.twin.domain.prediction import Model, Prediction
from shared.clock import Clock

# Longest that a prediction waits for Redis, and how long Redis is left alone after it failed [s].
_LOOK_UP_S = 0.01
_PAUSE_S = 5.0
# Writes that wait for the writer, and how many it sends at once; where more come, the oldest are left out.
_MOST_WAITING = 1_000
_WRITTEN_AT_ONCE = 100
_PREFIX = b"futago:twin:prediction:1:"


class LayeredPredictionCache:
    """Implements `caching.PredictionCache`.

    Parameters
    ----------
    ttl_s
        How long a prediction is remembered [s].
    lru_entries
        Most predictions in this process's own memory; 0 for none.
    redis_from_row_us
        A model faster than this is not looked up in Redis, because computing costs less [µs].
    """

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        ttl_s: int,
        lru_entries: int,
        redis_from_row_us: float,
        metrics: CollectorRegistry,
    ) -> None:
        self._redis, self._clock, self._ttl_s = redis, clock, ttl_s
        self._lru_entries, self._redis_from_row_us = lru_entries, redis_from_row_us
        self._lru: OrderedDict[bytes, tuple[float, Prediction]] = OrderedDict()
        self._is_open = False
        self._try_again_at_s = -math.inf
        self._reopening: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[bytes, bytes]] = deque(maxlen=_MOST_WAITING)
        self._writing: asyncio.Task[None] | None = None
        counter = Counter(
            "futago_twin_cache", "Looks into the cache, and writes to it", ("tier", "outcome"), registry=metrics
        )
        self._lru_hit, self._lru_miss = counter.labels("lru", "hit"), counter.labels("lru", "miss")
        self._redis_hit, self._redis_miss = counter.labels("redis", "hit"), counter.labels("redis", "miss")
        self._redis_failed, self._redis_skipped = counter.labels("redis", "failed"), counter.labels("redis", "skipped")
        self._redis_written = counter.labels("redis", "written")

    async def open(self) -> None:
        """Connect to Redis; where it is away, the cache goes on without it."""
        try:
            await self._redis.ping()
        except RedisError:
            self._close()
        else:
            self._is_open = True

    async def get(self, key: bytes, model: Model, level: float) -> Prediction | None:
        """What was remembered, here or by another replica."""
        until_s, prediction = self._lru.get(key, (0.0, None))
        if prediction is not None and until_s > self._clock.monotonic_s():
            self._lru.move_to_end(key)
            self._lru_hit.inc()
            return prediction
        self._lru_miss.inc()
        if model.row_us < self._redis_from_row_us:
            return None
        content = await self._look_up(_redis_key(key))
        prediction = None if content is None else _read(content, model, level)
        if prediction is not None:
            self._keep(key, prediction)
        return prediction

    def put(self, key: bytes, model: Model, prediction: Prediction) -> None:
        """Remember here at once, and in Redis soon."""
        self._keep(key, replace(prediction, from_cache=True))
        if model.row_us < self._redis_from_row_us or not self._is_open:
            return
        self._waiting.append((_redis_key(key), _write(prediction)))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())

    async def close(self) -> None:
        """Finish what is under way."""
        for task in (self._writing, self._reopening):
            if task is not None:
                await task
        await self._redis.aclose()

    def _keep(self, key: bytes, prediction: Prediction) -> None:
        if not self._lru_entries:
            return
        self._lru[key] = (self._clock.monotonic_s() + self._ttl_s, prediction)
        self._lru.move_to_end(key)
        if len(self._lru) > self._lru_entries:
            self._lru.popitem(last=False)

    async def _look_up(self, key: bytes) -> bytes | str | None:
        if not self._is_open:
            self._redis_skipped.inc()
            self._reopen_in_time()
            return None
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                content: bytes | str | None = await self._redis.get(key)
        except (RedisError, TimeoutError):
            self._close()
            return None
        (self._redis_miss if content is None else self._redis_hit).inc()
        return content

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                pipeline = self._redis.pipeline(transaction=False)
                count = min(len(self._waiting), _WRITTEN_AT_ONCE)
                for key, content in (self._waiting.popleft() for _ in range(count)):
                    pipeline.set(key, content, ex=self._ttl_s)
                await pipeline.execute()
                self._redis_written.inc(count)
        except RedisError:
            self._waiting.clear()
            self._close()
        finally:
            self._writing = None

    def _reopen_in_time(self) -> None:
        """Connect again in the background: a new connection takes longer than a look-up may."""
        if self._clock.monotonic_s() >= self._try_again_at_s:
            self._try_again_at_s = math.inf
            self._reopening = asyncio.create_task(self.open())

    def _close(self) -> None:
        self._redis_failed.inc()
        self._is_open = False
        self._try_again_at_s = self._clock.monotonic_s() + _PAUSE_S


def _redis_key(key: bytes) -> bytes:
    return _PREFIX + hashlib.blake2b(key, digest_size=24).hexdigest().encode()


def _write(prediction: Prediction) -> bytes:
    place = prediction.applicability
    document = [prediction.prediction, prediction.lower, prediction.upper, place.state.value, list(place.features)]
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _read(content: bytes | str, model: Model, level: float) -> Prediction | None:
    """The prediction, or nothing where somebody wrote what is none."""
    try:
        value, lower, upper, state, features = json.loads(content)
        ends = [float(end) for end in (value, lower, upper)]
        place = Applicability(State(state), tuple(features))
        is_ours = (
            math.isfinite(ends[0])
            and math.isfinite(ends[2] - ends[1])
            and set(features) <= set(model.applicability.names)
        )
    # Whoever can write to Redis can write anything: lists in lists by the thousand, a number of a thousand digits.
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if not is_ours:
        return None
    return Prediction(model.name, model.version, ends[0], model.unit, ends[1], ends[2], level, place, from_cache=True)
