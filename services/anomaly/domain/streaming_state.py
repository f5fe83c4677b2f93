"""What is kept of a stream between two calls, as a value and as bytes."""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from services.anomaly.domain.adaptive import AdaptiveState
from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.streaming_episode import OpenEpisode

# Another number when the layout changes: what an older process has kept is then not read, and the stream warms up.
_LAYOUT = 1
_HEAD = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class StreamState:
    """The newest rows of a stream and what became of them.

    Parameters
    ----------
    digest, limit_key
        The version and the limit that scored last.
    columns
        Sensors, in the order of the values.
    rows
        `(m, c)` as they were measured; NaN where a reading is missing.
    times_us
        `(m,)`, increasing; microseconds since 1970.
    limits
        `(m,)` the limit that each row was held against.
    whole
        Whether no earlier row was dropped.
    episode
        The alarm that is going on.
    adaptive
        Where the limit stands.
    """

    digest: str
    limit_key: str
    columns: tuple[str, ...]
    rows: Floats
    times_us: Times
    limits: Floats
    whole: bool
    episode: OpenEpisode | None
    adaptive: AdaptiveState

    def to_bytes(self) -> bytes:
        """Everything, in one piece."""
        described = {
            "digest": self.digest,
            "limit_key": self.limit_key,
            "columns": self.columns,
            "rows": len(self.rows),
            "whole": self.whole,
            "episode": None if self.episode is None else asdict(self.episode),
            "adaptive": [self.adaptive.moved, self.adaptive.hold_rows],
        }
        text = json.dumps(described, separators=(",", ":")).encode()
        arrays = (self.rows.tobytes(), self.times_us.tobytes(), self.limits.tobytes())
        return b"".join((_HEAD.pack(_LAYOUT, len(text)), text, *arrays))

    @classmethod
    def from_bytes(cls, kept: bytes) -> "StreamState | None":
        """Read it back; `None` if a process with another layout has written it."""
        layout, length = _HEAD.unpack_from(kept)
        if layout != _LAYOUT:
            return None
        described = json.loads(kept[_HEAD.size : _HEAD.size + length])
        count, columns = described["rows"], tuple(described["columns"])
        values = np.frombuffer(kept, np.float64, count * len(columns), _HEAD.size + length)
        times_at = _HEAD.size + length + values.nbytes
        moved, hold_rows = described["adaptive"]
        return cls(
            digest=described["digest"],
            limit_key=described["limit_key"],
            columns=columns,
            rows=values.reshape(count, len(columns)),
            times_us=np.frombuffer(kept, np.int64, count, times_at),
            limits=np.frombuffer(kept, np.float64, count, times_at + 8 * count),
            whole=described["whole"],
            episode=_episode(described["episode"]),
            adaptive=AdaptiveState(moved, hold_rows),
        )


def _episode(document: Mapping[str, object] | None) -> OpenEpisode | None:
    return None if document is None else OpenEpisode(**document)  # type: ignore[arg-type]
