"""How good alarms are at telling when something changed: the score of the Numenta benchmark, as SKAB defines it.

Every beginning and every end of an alarm counts as a change point that was told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import nan, pi, tanh
from typing import Self

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels

# Length of the window in which a change point may be told [s]; it begins at the change point.
WINDOW_S = 60.0
# The published evaluation reads the credit of a hit from a table of this many places.
_PLACES = 1000


class Profile(StrEnum):
    """What a false alarm or a miss costs."""

    STANDARD = "standard"
    LOW_FALSE_ALARMS = "low_fp"
    LOW_MISSES = "low_fn"


# Credit of a hit at the beginning of its window, of a false alarm, and of a miss [1].
_WEIGHTS: Mapping[Profile, tuple[float, float, float]] = {
    Profile.STANDARD: (1.0, -0.11, -1.0),
    Profile.LOW_FALSE_ALARMS: (1.0, -0.22, -1.0),
    Profile.LOW_MISSES: (1.0, -0.11, -2.0),
}


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """Change points that were told, missed, and told where there were none; add several to pool them.

    A change point is told by the first alarm edge from the change to `WINDOW_S` seconds later. Credit falls from the
    beginning of the window to its end, along a hyperbolic tangent, from that of a hit to that of a false alarm. More
    edges in the same window count for nothing. Where two windows overlap, the later one begins at the end of the
    earlier one.

    Parameters
    ----------
    hits
        Where in its window each change point was told, from 0 to 1.

    References
    ----------
    .. [1] Lavin & Ahmad (2015), Evaluating real-time anomaly detection algorithms: the Numenta anomaly benchmark,
       arXiv:1510.03336
    .. [2] Katser & Kozitsin (2020), Skoltech Anomaly Benchmark, doi:10.34740/KAGGLE/DSV/1693952; the window and its
       side, and the treatment of overlaps

    Examples
    --------
    >>> changed, labels = np.array([0, 1, 0, 0, 1], np.int8), np.array([0, 1, 1, 1, 1], np.int8)
    >>> found = ChangePoints.of(changed, labels, times_s=100.0 * np.arange(5))
    >>> found.hits, found.missed, round(found.score(Profile.STANDARD), 2)
    ((0.0,), 1, 50.0)
    """

    hits: tuple[float, ...]
    missed: int
    false_alarms: int

    @classmethod
    def of(cls, changed: Labels, labels: Labels, times_s: Floats) -> Self:
        """Compare the edges of `(n,)` labels with the change points, the ones of `changed (n,)`."""
        told_s = times_s[np.diff(labels, prepend=np.int8(0)) != 0]
        inside = np.zeros(len(told_s), bool)
        hits: list[float] = []
        windows = _windows(times_s[changed == 1].tolist())
        for begin_s, end_s in windows:
            here = (told_s >= begin_s) & (told_s <= end_s)
            inside |= here
            if here.any():
                late_s = float(told_s[np.argmax(here)]) - begin_s
                hits.append(late_s / (end_s - begin_s) if end_s > begin_s else 0.0)
        return cls(tuple(hits), len(windows) - len(hits), int((~inside).sum()))

    def __add__(self, other: Self) -> "ChangePoints":
        return ChangePoints(self.hits + other.hits, self.missed + other.missed, self.false_alarms + other.false_alarms)

    def score(self, profile: Profile) -> float:
        """100 where every change is told at once and nothing else, 0 where nothing is told; NaN without changes."""
        hit, false_alarm, miss = _WEIGHTS[profile]
        changes = len(self.hits) + self.missed
        if not changes:
            return nan
        gained = sum(_credit(place, hit, false_alarm) for place in self.hits)
        reached = gained + false_alarm * self.false_alarms + miss * self.missed
        return 100.0 * (reached - miss * changes) / (hit * changes - miss * changes)


def _windows(changes_s: Sequence[float]) -> list[tuple[float, float]]:
    windows: list[tuple[float, float]] = []
    for change_s in changes_s:
        end_s = change_s + WINDOW_S
        overlaps = windows and windows[-1][1] >= change_s
        windows.append((windows[-1][1] if overlaps else change_s, end_s))
    return windows


def _credit(place: float, hit: float, false_alarm: float) -> float:
    angle = pi * (min(int(place * _PLACES), _PLACES - 1) / (_PLACES - 1) - 0.5)
    return (hit - false_alarm) / 2.0 * (1.0 - tanh(angle) / tanh(pi / 2.0)) + false_alarm
