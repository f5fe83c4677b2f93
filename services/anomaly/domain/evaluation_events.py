"""How good labels are, fault by fault: which faults were found, how late, and how often nothing was wrong.

A fault is a run of anomalous rows. Beside the figures that count rows, these say what a person on shift would notice.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class EventCount:
    """Faults and alarms counted as wholes; add several to pool them.

    Parameters
    ----------
    events
        Runs of anomalous rows.
    delays_rows
        Of each fault that was found, rows from its first to the first of them that was called anomalous.
    delays_s
        The same in seconds; empty where no times are known.
    false_alarms
        Runs of rows called anomalous that began while nothing was wrong.
    normal_s
        Time the normal rows last [s], or none where no times are known. A gap between two rows counts as one step.

    Examples
    --------
    >>> truth, labels = np.array([0, 0, 1, 1, 1, 0, 0], np.int8), np.array([1, 0, 0, 1, 0, 0, 0], np.int8)
    >>> EventCount.of(truth, labels, times_s=10.0 * np.arange(7))
    EventCount(events=1, delays_rows=(1,), delays_s=(10.0,), false_alarms=1, normal_s=40.0)
    """

    events: int
    delays_rows: tuple[int, ...]
    delays_s: tuple[float, ...]
    false_alarms: int
    normal_s: float | None

    @classmethod
    def of(cls, truth: Labels, labels: Labels, times_s: Floats | None) -> Self:
        """Compare `(n,)` labels with `(n,)` truth; `times_s (n,)` increase [s]."""
        faults = runs(truth)
        found = [
            (start, start + int(np.argmax(labels[start:stop]))) for start, stop in faults if labels[start:stop].any()
        ]
        return cls(
            len(faults),
            tuple(first - start for start, first in found),
            () if times_s is None else tuple(float(times_s[first] - times_s[start]) for start, first in found),
            sum(bool(truth[start] == 0) for start, _ in runs(labels)),
            None if times_s is None else int((truth == 0).sum()) * usual_step_s(times_s),
        )

    def __add__(self, other: Self) -> "EventCount":
        known = self.normal_s is not None and other.normal_s is not None
        return EventCount(
            self.events + other.events,
            self.delays_rows + other.delays_rows,
            self.delays_s + other.delays_s,
            self.false_alarms + other.false_alarms,
            (self.normal_s or 0.0) + (other.normal_s or 0.0) if known else None,
        )

    @property
    def found(self) -> int:
        """Faults of which at least one row was called anomalous."""
        return len(self.delays_rows)

    @property
    def recall(self) -> float:
        """Share of the faults that were found; NaN without faults."""
        return self.found / self.events if self.events else float("nan")

    @property
    def median_delay_rows(self) -> float:
        """Of the faults that were found; NaN without any."""
        return float(np.median(self.delays_rows)) if self.delays_rows else float("nan")

    @property
    def median_delay_s(self) -> float:
        """Of the faults that were found [s]; NaN without any, or without times."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")

    @property
    def false_alarms_per_day(self) -> float:
        """False alarms in 24 hours of normal operation; NaN without times or without normal rows."""
        return self.false_alarms * _DAY_S / self.normal_s if self.normal_s else float("nan")


def runs(labels: Labels) -> list[tuple[int, int]]:
    """First row of every run of ones, and the row after its last.

    Examples
    --------
    >>> runs(np.array([0, 1, 1, 0, 1], np.int8))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], labels == 1, [0]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def usual_step_s(times_s: Floats) -> float:
    """The median time from one row to the next [s]; 0 for fewer than two rows."""
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
