"""Prediction intervals with a proven share of hits: split, normalised and quantile-regression conformal.

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
    """Wider where the spread is: where the trees disagree, or where a model of the errors expects large ones."""
    CQR = "cqr"
    """Between two regressed quantiles, moved apart or together until they hold what they promise."""


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
class Outputs:
    """What a graph computes for rows, each `(n,)` [unit of the target]; `None` for what the graph does not have.

    Parameters
    ----------
    spread
        How far the truth is expected to lie from the prediction, up to a factor.
    lower_quantile, upper_quantile
        Regressed quantiles, not calibrated.
    """

    prediction: Vector
    spread: Vector | None = None
    lower_quantile: Vector | None = None
    upper_quantile: Vector | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Sorted scores, and how a score becomes an interval.

    Parameters
    ----------
    method
        What the interval depends on.
    scores
        `(n,)` ascending: absolute errors [unit of the target]; absolute errors over `spread + floor` [1]; or how far
        the truth lay outside the two quantiles, negative inside them [unit of the target].
    floor
        Added to the spread, so that trees that agree by chance do not promise a width of zero [unit of the target];
        0 for the other methods.
    """

    method: IntervalMethod
    scores: Vector
    floor: float = 0.0

    def score(self, level: float) -> float:
        """The score that bounds a new one with at least this probability.

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If the level is no probability, or too high for this calibration.
        """
        return float(self.scores[conformal_rank(len(self.scores), level) - 1])

    def bounds(self, outputs: Outputs, level: float) -> tuple[Vector, Vector]:
        """Lower and upper end of each row's interval, `(n,)` [unit of the target]; raises as `score`."""
        return bounds_from_score(self.method, outputs, self.score(level), self.floor)


def bounds_from_score(
    method: IntervalMethod, outputs: Outputs, score: float, floor: float = 0.0
) -> tuple[Vector, Vector]:
    """The interval that a score stands for; the inverse of `scores_of`.

    Raises
    ------
    ValueError
        If the graph does not give what the method needs; a loaded model always does.

    References
    ----------
    .. [1] Romano, Patterson & Candès (2019), Conformalized Quantile Regression, arXiv:1905.03222 (method `cqr`)
    """
    prediction = outputs.prediction
    if method is IntervalMethod.SPLIT:
        return prediction - score, prediction + score
    if method is IntervalMethod.NORMALIZED:
        if outputs.spread is None:
            raise ValueError("normalised intervals need a spread")
        half_width = score * (outputs.spread + floor)
        return prediction - half_width, prediction + half_width
    if outputs.lower_quantile is None or outputs.upper_quantile is None:
        raise ValueError("quantile-regression intervals need two quantiles")
    # The prediction lies inside by construction: a wider interval never covers less.
    lower = np.minimum(outputs.lower_quantile - score, prediction)
    return lower, np.maximum(outputs.upper_quantile + score, prediction)


def scores_of(method: IntervalMethod, outputs: Outputs, actual: Vector, floor: float = 0.0) -> Vector:
    """How badly each row of `(n,)` fits, in the measure that this method's intervals are made of.

    Parameters
    ----------
    actual
        `(n,)` what was measured [unit of the target].
    floor
        As in `Calibration`.
    """
    if method is IntervalMethod.CQR:
        if outputs.lower_quantile is None or outputs.upper_quantile is None:
            raise ValueError("quantile-regression intervals need two quantiles")
        return np.maximum(outputs.lower_quantile - actual, actual - outputs.upper_quantile)
    errors = np.abs(actual - outputs.prediction)
    if method is IntervalMethod.SPLIT:
        return errors
    if outputs.spread is None:
        raise ValueError("normalised intervals need a spread")
    scores: Vector = errors / (outputs.spread + floor)
    return scores


def calibrate(method: IntervalMethod, outputs: Outputs, actual: Vector, *, floor: float = 0.0) -> Calibration:
    """Make a calibration from rows that the model never saw; arguments as in `scores_of`."""
    return Calibration(method, np.sort(scores_of(method, outputs, actual, floor)), floor)


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


def judge(actual: Vector, lower: Vector, upper: Vector, level: float) -> IntervalReport:
    """Measure intervals against what was measured later; all `(n,)` [unit of the target].

    References
    ----------
    .. [1] Gneiting & Raftery (2007), Strictly Proper Scoring Rules, JASA 102(477), section 6.2 (interval score)
    """
    misses = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    widths = upper - lower
    return IntervalReport(
        coverage=float(np.mean(misses == 0.0)),
        width=float(np.mean(widths)),
        winkler=float(np.mean(widths + 2.0 / (1.0 - level) * misses)),
    )
