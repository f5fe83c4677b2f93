"""A version and the one it may follow, side by side on later normal rows.

Without examples of faults, nobody can say which of the two finds more. What normal rows can show is false alarms, and
how far the plant has moved from what the older version learned; the rest is for the person who decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import LIMIT_SHARE
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.episodes import episodes
from services.anomaly.domain.rows import column_order, times_us
from services.anomaly.domain.trained import Column
from services.anomaly.domain.training_requests import Promotion, Table
from shared.errors import JSON

# Standard errors between two shares before one is called clearly larger.
_CLEARLY = 3.0
_SENSORS_NAMED = 10


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one version says of normal rows.

    Parameters
    ----------
    rows
        Rows with a score.
    alarm_rows, alarms
        Rows above the limit, and runs of them: on normal rows all of them are false.
    median_severity
        0.5 is the limit.
    spacing_rows
        Rows that share readings in their scores; so many count as one when shares are compared.
    """

    limit: float
    rows: int
    alarm_rows: int
    alarms: int
    median_severity: float | None
    spacing_rows: int

    @property
    def alarm_share(self) -> float:
        """Part of the rows that is above the limit [1]."""
        return self.alarm_rows / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, JSON]:
        """As the card states it."""
        return {
            "limit": self.limit,
            "rows": self.rows,
            "alarm_rows": self.alarm_rows,
            "alarm_share": self.alarm_share,
            "alarms": self.alarms,
            "median_severity": self.median_severity,
        }


def compare(serving: Ready, candidate: Ready, table: Table, *, promote: Promotion) -> dict[str, JSON]:
    """Judge the later rows of a training by both versions, and decide which of them answers from now on.

    Parameters
    ----------
    table
        The normal rows that the candidate was trained on, in its order of columns. The last of them are compared, the
        same share that sets a limit in a training.
    promote
        `AUTO` lets the candidate serve unless it is clearly worse or has learned a sensor that stands still.

    Returns
    -------
    dict
        What the candidate's card says of it; `promoted` holds the decision.
    """
    start = len(table.rows) - math.floor(len(table.rows) * LIMIT_SHARE)
    older, newer = (_judge(side, table, start) for side in (serving, candidate))
    worse = clearly_worse(newer, older)
    stopped = stopped_sensors(serving.detector.columns, candidate.detector.columns)
    return {
        "with_version": int(serving.detector.version),
        "serving": older.to_json(),
        "candidate": newer.to_json(),
        "clearly_worse": worse,
        "stopped_sensors": list(stopped),
        "promoted": promote is not Promotion.MANUAL and not worse and not stopped,
        "sensor_shift": shifts(_in_order(table, serving), serving.detector.columns),
        "note": "normal rows show false alarms only; the candidate's limit was set on these rows",
    }


def _judge(side: Ready, table: Table, start: int) -> Judgement:
    rows = _in_order(table, side)
    times = None if table.times is None else times_us(table.times)
    detection = side.detector.detect(
        rows[start:],
        side.threshold.value,
        rows[:start],
        times=None if times is None else times[start:],
        context_times=None if times is None else times[:start],
    )
    return judgement(detection, spacing_rows=side.detector.held_out.spacing_rows)


def _in_order(table: Table, side: Ready) -> Floats:
    order = column_order(table.columns, side.detector.column_names)
    return table.rows[:, order].copy(order="C")


def judgement(detection: Detection, *, spacing_rows: int) -> Judgement:
    """Sum up what a version found in normal rows."""
    known = np.isfinite(detection.scores)
    return Judgement(
        limit=detection.limit,
        rows=int(known.sum()),
        alarm_rows=int(detection.labels.sum()),
        alarms=len(episodes(detection.labels, detection.scores)),
        median_severity=float(np.median(detection.severity[known])) if known.any() else None,
        spacing_rows=spacing_rows,
    )


def clearly_worse(candidate: Judgement, serving: Judgement) -> bool:
    """Whether the candidate's share of false alarms is larger by more than chance explains.

    By three standard errors of the difference of two shares, each of as many independent rows as the scores have.
    """
    variance = sum(_variance(side) for side in (candidate, serving))
    return candidate.alarm_share - serving.alarm_share > _CLEARLY * math.sqrt(variance)


def _variance(side: Judgement) -> float:
    independent = max(side.rows / side.spacing_rows, 1.0)
    # Agresti & Coull (1998): two hits and two misses more, so that no share is taken for certain.
    share = (side.alarm_share * independent + 2.0) / (independent + 4.0)
    return share * (1.0 - share) / (independent + 4.0)


def stopped_sensors(serving: Sequence[Column], candidate: Sequence[Column]) -> list[str]:
    """Sensors that moved while the older version was trained and no longer do.

    A dead sensor raises no false alarm, and a version that learned it so would be blind to it without anybody's word.
    """
    moved = {column.name for column in serving if not column.constant}
    return [column.name for column in candidate if column.constant and column.name in moved]


def shifts(rows: Floats, columns: Sequence[Column]) -> dict[str, float]:
    """How far each sensor's mean has moved since the older version was trained [its standard deviations then].

    Parameters
    ----------
    rows
        `(n, c)` newer normal rows in the order of the columns; NaN is missing.
    columns
        As the older version describes them.

    Returns
    -------
    dict
        The sensors that moved furthest, furthest first; those that did not vary then are left out.
    """
    present = np.isfinite(rows)
    counts = present.sum(axis=0)
    means = np.where(present, rows, 0.0).sum(axis=0) / np.maximum(counts, 1)
    moved = {
        column.name: float((means[i] - column.mean) / column.std)
        for i, column in enumerate(columns)
        if column.std > 0 and not column.constant and counts[i]
    }
    furthest = sorted(moved, key=lambda name: -abs(moved[name]))[:_SENSORS_NAMED]
    return {name: moved[name] for name in furthest}
