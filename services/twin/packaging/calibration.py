"""Choosing and judging the interval method of a package, on rows that neither fitted nor calibrated it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from services.twin.domain.intervals import (
    Calibration,
    IntervalMethod,
    IntervalReport,
    calibrate,
    judge,
    residuals_needed,
)
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.evidence import FOLDS, Evidence, Sample, Unseen, Vector
from shared.errors import AppError, Kind

DEFAULT_LEVEL = 0.9
LEVELS = (0.5, 0.8, DEFAULT_LEVEL, 0.95, 0.99)
IntervalChoice = Literal["auto", "split", "normalized", "cqr"]

# What `auto` tries. Quantile regression brings two further models, which take far longer to fit and judge and make a
# batch ten times as slow as a forest of ten trees is by itself: it is made where it is asked for.
_AUTO = (IntervalMethod.SPLIT, IntervalMethod.NORMALIZED)

# A share of the typical spread: small enough to follow the spread, large enough that trees which agree by chance do
# not decide the quantile.
_FLOOR_SHARE = 0.5


class TooFewCalibrationRows(AppError):
    """There are not enough unseen rows to calibrate an interval."""

    kind, code = Kind.INVALID, "twin.too_few_calibration_rows"

    def __init__(self, what: str, *, needed: int, count: int) -> None:
        super().__init__(f"{what} needs {needed} calibration rows, there are {count}", needed=needed, count=count)


def check_choice(interval: object) -> None:
    """Refuse what is no interval method.

    Raises
    ------
    DataUnusable
        If it is neither `auto` nor a method.
    """
    if interval not in {"auto", *IntervalMethod}:
        raise DataUnusable(f"interval must be one of auto, {', '.join(IntervalMethod)}, not {interval!r}")


@dataclass(frozen=True, slots=True)
class LevelReport:
    """How one method did at one level, each row judged by what was fitted and calibrated without it."""

    method: IntervalMethod
    level: float
    report: IntervalReport


@dataclass(frozen=True, slots=True)
class ChosenInterval:
    """A calibration, and how each method that was tried did.

    Parameters
    ----------
    rows
        How many rows calibrated.
    evaluation
        By method and level; a level for which the calibration is too small is left out.
    selection
        What choosing costs: at 90 %, each fold judged under the method that was best on the other folds. `None` where
        nothing was to choose.
    aids
        Models to be served in the same graph, by the name of their output.
    """

    calibration: Calibration
    rows: int
    evaluation: Sequence[LevelReport]
    selection: IntervalReport | None
    aids: Mapping[str, BaseEstimator]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Intervals of one method at one level for all judged rows, in the order of their folds."""

    lower: Vector
    upper: Vector
    actual: Vector

    def report(self, level: float, where: slice | NDArray[np.bool_] = slice(None)) -> IntervalReport:
        return judge(self.actual[where], self.lower[where], self.upper[where], level)


def choose_interval(evidence: Evidence, interval: IntervalChoice) -> ChosenInterval:
    """Calibrate with the asked method, or with the one of the smallest Winkler score at 90 %.

    Every method is judged on folds that neither its models nor its calibration saw; the calibration that is kept then
    uses all unseen rows.

    Raises
    ------
    TooFewCalibrationRows
        If there are fewer rows than an interval of 90 % needs, with a fifth of them set aside to judge it; or fewer
        than the models of the asked method need.
    """
    methods = _possible(evidence, interval)
    bounds = {method: _judge(evidence, method) for method in methods}
    chosen = min(methods, key=lambda method: bounds[method][DEFAULT_LEVEL].report(DEFAULT_LEVEL).winkler)
    return ChosenInterval(
        calibration=_calibrate(chosen, evidence.calibrating(chosen, None)),
        rows=evidence.rows(chosen),
        evaluation=[
            LevelReport(method, level, found.report(level))
            for method in methods
            for level, found in bounds[method].items()
        ],
        selection=_judge_selection(evidence.unseen(), bounds) if len(methods) > 1 else None,
        aids=evidence.aids(chosen),
    )


def _possible(evidence: Evidence, interval: IntervalChoice) -> list[IntervalMethod]:
    count = len(evidence.unseen().actual)
    needed = math.ceil(residuals_needed(DEFAULT_LEVEL) * FOLDS / (FOLDS - 1))
    if count < needed:
        what = f"an interval of {DEFAULT_LEVEL:.0%}, calibrated and judged,"
        raise TooFewCalibrationRows(what, needed=needed, count=count)
    if interval == "auto":
        return [method for method in _AUTO if evidence.rows_needed(method) <= count]
    method = IntervalMethod(interval)
    if (needed := evidence.rows_needed(method)) > count:
        raise TooFewCalibrationRows(f"the interval {interval!r} of this model", needed=needed, count=count)
    return [method]


def _calibrate(method: IntervalMethod, sample: Sample) -> Calibration:
    floor = 0.0
    if method is IntervalMethod.NORMALIZED and sample.outputs.spread is not None:
        # Where most spreads are nothing, any one width does for the rows without a spread.
        floor = _FLOOR_SHARE * float(np.median(sample.outputs.spread)) or 1.0
    return calibrate(method, sample.outputs, sample.actual, floor=floor)


def _judge(evidence: Evidence, method: IntervalMethod) -> dict[float, _Bounds]:
    """Intervals for each row from what was fitted and calibrated without its fold, at each level that rows allow."""
    calibrations = [_calibrate(method, evidence.calibrating(method, fold)) for fold in range(FOLDS)]
    judged = [evidence.judging(method, fold) for fold in range(FOLDS)]
    fewest = min(len(calibration.scores) for calibration in calibrations)
    actual = np.concatenate([sample.actual for sample in judged])
    bounds = {}
    for level in LEVELS:
        if fewest >= residuals_needed(level):
            ends = [c.bounds(sample.outputs, level) for c, sample in zip(calibrations, judged, strict=True)]
            lower, upper = (np.concatenate(side) for side in zip(*ends, strict=True))
            bounds[level] = _Bounds(lower, upper, actual)
    return bounds


def _judge_selection(unseen: Unseen, bounds: Mapping[IntervalMethod, Mapping[float, _Bounds]]) -> IntervalReport:
    fold = np.sort(unseen.fold)
    lower, upper = np.empty(len(fold)), np.empty(len(fold))
    candidates = [found[DEFAULT_LEVEL] for found in bounds.values()]
    for judged in range(FOLDS):
        elsewhere = fold != judged
        best = min(candidates, key=lambda found: found.report(DEFAULT_LEVEL, elsewhere).winkler)
        lower[~elsewhere], upper[~elsewhere] = best.lower[~elsewhere], best.upper[~elsewhere]
    return judge(candidates[0].actual, lower, upper, DEFAULT_LEVEL)
