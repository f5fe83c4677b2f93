"""Prediction intervals with a proven share of hits: split conformal and normalised conformal.

A calibration keeps the sorted scores of rows that the model never saw. Any level is then one look-up, so one
calibration serves every level that a caller asks for.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shared.errors import AppError, Kind

Vector = NDArray[np.float64]

# Keeps (n + 1) * level from being pushed over a whole number by rounding: 10 * 0.7 is 7.000000000000001 on some paths.
_RANK_SLACK = 1e-9


class IntervalMethod(StrEnum):
    """How the width depends on the row."""

    SPLIT = "split"
    """The same width everywhere."""
    NORMALIZED = "normalized"
    """Wider where the trees disagree."""


class LevelInvalid(AppError):
    """A level is a probability strictly between 0 and 1."""

    kind, code = Kind.INVALID, "twin.level_invalid"

    def __init__(self, level: float) -> None:
        super().__init__(f"the level must lie between 0 and 1, both excluded, not {level!r}")


class TooFewResiduals(AppError):
    """The calibration holds too few rows for this level."""

    kind, code = Kind.INVALID, "twin.too_few_residuals"

    def __init__(self, *, level: float, count: int, needed: int) -> None:
        super().__init__(
            f"an interval of level {level:g} needs {needed} calibration rows, there are {count}",
            level=level,
            count=count,
            needed=needed,
        )


def residuals_needed(level: float) -> int:
    """The smallest calibration that can give an interval of this level: 9 for 0.9, 19 for 0.95.

    Raises
    ------
    LevelInvalid
        If the level is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise LevelInvalid(level)
    return max(math.ceil(level / (1.0 - level) - _RANK_SLACK), 1)


def conformal_rank(count: int, level: float) -> int:
    """Which of `count` sorted scores bounds a new one with at least the asked probability, counted from 1.

    Raises
    ------
    LevelInvalid
        If the level is not between 0 and 1.
    TooFewResiduals
        If `count < level / (1 - level)`; 95 % needs 19.

    References
    ----------
    .. [1] Lei et al. (2018), Distribution-Free Predictive Inference for Regression, arXiv:1604.04173

    Examples
    --------
    >>> conformal_rank(19, level=0.9)
    18
    """
    if count < (needed := residuals_needed(level)):
        raise TooFewResiduals(level=level, count=count, needed=needed)
    # A level below the slack still asks for the smallest score, not for the one before it.
    return max(math.ceil((count + 1) * level - _RANK_SLACK), 1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Sorted scores, and how a score becomes a width.

    Parameters
    ----------
    method
        What the width depends on.
    scores
        `(n,)` ascending: absolute errors [unit of the target], or absolute errors over `spread + floor` [1].
    floor
        Added to the spread, so that trees that agree by chance do not promise a width of zero [unit of the target];
        0 for the split method.
    """

    method: IntervalMethod
    scores: Vector
    floor: float = 0.0

    def half_width(self, spread: float, level: float) -> float:
        """Half the width of the interval of one row [unit of the target].

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If the level is no probability, or too high for this calibration.
        """
        score = float(self.scores[conformal_rank(len(self.scores), level) - 1])
        return score if self.method is IntervalMethod.SPLIT else score * (spread + self.floor)

    def half_widths(self, spreads: Vector, level: float) -> Vector:
        """Half the width of each row's interval, `(n,)` [unit of the target]; raises as `half_width`."""
        score = float(self.scores[conformal_rank(len(self.scores), level) - 1])
        if self.method is IntervalMethod.SPLIT:
            return np.full(len(spreads), score)
        return score * (spreads + self.floor)


def calibrate(method: IntervalMethod, errors: Vector, spreads: Vector, *, floor: float) -> Calibration:
    """Make a calibration from the errors of rows that the model never saw.

    Parameters
    ----------
    errors
        `(n,)` measured minus predicted [unit of the target].
    spreads
        `(n,)` spread over the trees at the same rows [unit of the target]; not read by the split method.
    floor
        As in `Calibration`.
    """
    if method is IntervalMethod.SPLIT:
        return Calibration(method, np.sort(np.abs(errors)))
    return Calibration(method, np.sort(np.abs(errors) / (spreads + floor)), floor)


@dataclass(frozen=True, slots=True)
class IntervalReport:
    """How good intervals were on rows that did not calibrate them.

    Parameters
    ----------
    coverage
        Share of rows inside [1].
    width
        Mean width [unit of the target].
    winkler
        Mean interval score: width plus a penalty for misses; smaller is better [unit of the target].
    """

    coverage: float
    width: float
    winkler: float


def judge(errors: Vector, half_widths: Vector, level: float) -> IntervalReport:
    """Measure intervals against what was measured later.

    References
    ----------
    .. [1] Gneiting & Raftery (2007), Strictly Proper Scoring Rules, JASA 102(477), section 6.2 (interval score)
    """
    misses = np.maximum(np.abs(errors) - half_widths, 0.0)
    widths = 2.0 * half_widths
    return IntervalReport(
        coverage=float(np.mean(misses == 0.0)),
        width=float(np.mean(widths)),
        winkler=float(np.mean(widths + 2.0 / (1.0 - level) * misses)),
    )
