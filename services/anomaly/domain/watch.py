"""Who else learns of what was scored: health of assets, counts of alarms, drift of sensors."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.false_alarms import alarms


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows that were scored for the first time.

    Parameters
    ----------
    asset
        Equipment that the rows are from; `None` where the caller named none.
    ready
        The version that scored, and the limit in force.
    rows
        `(n, c)` as they were measured, in the detector's order of columns; NaN where a reading is missing.
    detection
        What was found, row by row.
    times
        `(n,)`, increasing, in UTC; or none.
    alarms_begun
        Alarms that began in these rows: anomalous rows close to one another are one alarm, and one that had begun
        before is not counted again.
    """

    asset: str | None
    ready: Ready
    rows: Floats
    detection: Detection
    times: Sequence[datetime] | None
    alarms_begun: int


class ScoreWatch(Protocol):
    """Told of every call's rows, on the event loop; returns at once and never fails the caller."""

    def seen(self, seen: Seen) -> None: ...


def newer_part(seen: Seen, newest: datetime | None) -> Seen | None:
    """The rows that are later than `newest`; `None` where there is none.

    An alarm that had begun in earlier rows of the same call does not begin again.
    """
    if newest is None or seen.times is None:
        return seen
    first = bisect_right(seen.times, newest)
    if first == len(seen.times):
        return None
    if first == 0:
        return seen
    labels, apart_rows = seen.detection.labels, seen.ready.detector.held_out.spacing_rows
    return replace(
        seen,
        rows=seen.rows[first:],
        detection=seen.detection.picked(np.arange(first, len(labels))),
        times=seen.times[first:],
        alarms_begun=alarms(labels, apart_rows=apart_rows) - alarms(labels[:first], apart_rows=apart_rows),
    )
