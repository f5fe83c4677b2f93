"""What drift is read from, in Redis: the same counts for all replicas."""

import math
import struct

import numpy as np

from services.anomaly.adapters.redis_windows import RedisWindows
from services.anomaly.domain.drift_tally import Recent, tally_arrays, tally_of, tally_shapes
from services.anomaly.domain.rows import times_us
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.streaming_episode import moment

# Another replica came first so many times in a row; what is not added now is added a second later.
_TRIES = 5
# Another number when the layout changes: what an older process has kept is then not read, and counting begins anew.
_LAYOUT = 1
# Layout, lots, sensors, and the three moments [µs since 1970].
_HEAD = struct.Struct("<BBIqqq")


class RedisDrift:
    """Implements `drift.RecentRows`.

    Parameters
    ----------
    window_rows
        The newest rows that are compared, in two lots of half as many; rows that come at once are not parted.
    """

    def __init__(self, kept: RedisWindows, *, window_rows: int) -> None:
        self._kept = kept
        self._window_rows = window_rows

    async def recent(self, detector: ServedDetector, asset: str | None) -> Recent | None:
        kept = await self._kept.read(drift_key(detector, asset))
        return None if kept.body is None else _recent(kept.body)

    async def add(self, key: str, newer: Recent) -> bool:
        """Add rows to what was counted; `False` if others came first again and again.

        Raises
        ------
        StreamsUnavailable
            If Redis does not answer.
        TooManyStreams
            If so many are counted that there is no room for a new one.
        """
        for _ in range(_TRIES):
            kept = await self._kept.read(key)
            before = None if kept.body is None else _recent(kept.body)
            recent = newer if before is None else before.followed_by(newer, window_rows=self._window_rows)
            if await self._kept.replace(key, kept.token, _bytes(recent), ()):
                return True
        return False


def drift_key(detector: ServedDetector, asset: str | None) -> str:
    """Of one version, and of one asset or all of them."""
    return f"{detector.name}:{detector.digest}:{asset or ''}"


def _bytes(recent: Recent) -> bytes:
    """Everything, in one piece: an archive of arrays would take several times as long, and that on the event loop."""
    lots = [tally for tally in (recent.before, recent.current) if tally is not None]
    moments = times_us([recent.since, recent.current_since, recent.until]).tolist()
    head = _HEAD.pack(_LAYOUT, len(lots), len(recent.current.known), *moments)
    # Counts as floats too: they stay whole numbers.
    numbers = np.concatenate([array.ravel() for lot in lots for array in tally_arrays(lot).values()], dtype=np.float64)
    return head + numbers.tobytes()


def _recent(body: bytes) -> Recent | None:
    """Read it back; `None` if a process with another layout has written it."""
    if body[0] != _LAYOUT:
        return None
    _, lots, sensors, *moments = _HEAD.unpack_from(body)
    shapes = tally_shapes(sensors).values()
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    tallies = [
        tally_of([part.reshape(shape) for part, shape in zip(np.split(lot, ends[:-1]), shapes, strict=True)])
        for lot in np.frombuffer(body, np.float64, offset=_HEAD.size).reshape(lots, -1)
    ]
    since, current_since, until = map(moment, moments)
    return Recent(tallies[0] if lots > 1 else None, tallies[-1], since, current_since, until)
