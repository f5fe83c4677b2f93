"""Choosing and judging the interval method of a package, on rows that did not calibrate it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.model_selection import KFold

from services.twin.domain.intervals import (
    Calibration,
    IntervalMethod,
    IntervalReport,
    Outputs,
    bounds_from_score,
    calibrate,
    judge,
    residuals_needed,
    scores_of,
)
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.held_out import HeldOutErrors
from services.twin.packaging.reference import Vector
from shared.errors import AppError, Kind

DEFAULT_LEVEL = 0.9
IntervalChoice = Literal["auto", "split", "normalized"]

_SEED = 10
_FOLDS = 5
# A share of the typical spread: small enough to follow the spread, large enough that trees which agree by chance do
# not decide the quantile.
_FLOOR_SHARE = 0.5


class TooFewCalibrationRows(AppError):
    """There are not enough unseen rows to calibrate an interval."""

    kind, code = Kind.INVALID, "twin.too_few_calibration_rows"


@dataclass(frozen=True, slots=True)
class ChosenInterval:
    """A calibration, and how each method that was possible did."""

    calibration: Calibration
    reports: Mapping[IntervalMethod, IntervalReport]


def choose_interval(held_out: HeldOutErrors, interval: IntervalChoice) -> ChosenInterval:
    """Calibrate with the asked method, or with the one of the smallest Winkler score.

    Each method is judged at 90 % on folds that its own calibration left out; the calibration that is kept uses all.

    Raises
    ------
    TooFewCalibrationRows
        If there are fewer rows than an interval of 90 % needs, with a fifth of them set aside to judge it.
    DataUnusable
        If the normalised method is asked of a model without trees.
    """
    needed = math.ceil(residuals_needed(DEFAULT_LEVEL) * _FOLDS / (_FOLDS - 1))
    if len(held_out.errors) < needed:
        raise TooFewCalibrationRows(
            f"an interval of {DEFAULT_LEVEL:.0%} needs {needed} calibration rows to be calibrated and judged, there "
            f"are {len(held_out.errors)}",
            needed=needed,
            count=len(held_out.errors),
        )
    floor, spreads = 0.0, held_out.spreads
    methods = [IntervalMethod.SPLIT]
    if spreads is not None and (floor := _FLOOR_SHARE * float(np.median(spreads))) > 0.0:
        methods.append(IntervalMethod.NORMALIZED)
    if interval != "auto" and interval not in methods:
        raise DataUnusable(f"the interval {interval!r} is not possible for this model", possible=["auto", *methods])
    outputs = Outputs(held_out.target - held_out.errors, spreads)
    reports = {method: _judge_across_folds(method, outputs, held_out.target, floor) for method in methods}
    method = min(reports, key=lambda m: reports[m].winkler) if interval == "auto" else IntervalMethod(interval)
    kept_floor = floor if method is IntervalMethod.NORMALIZED else 0.0
    return ChosenInterval(calibrate(method, outputs, held_out.target, floor=kept_floor), reports)


def _judge_across_folds(method: IntervalMethod, outputs: Outputs, actual: Vector, floor: float) -> IntervalReport:
    """Coverage, width and Winkler score of each row under a calibration that left it out."""
    scores = scores_of(method, outputs, actual, floor)
    lower, upper = np.empty(len(actual)), np.empty(len(actual))
    for others, fold in KFold(_FOLDS, shuffle=True, random_state=_SEED).split(actual):
        score = Calibration(method, np.sort(scores[others]), floor).score(DEFAULT_LEVEL)
        ends = bounds_from_score(method, outputs, score, floor)
        lower[fold], upper[fold] = ends[0][fold], ends[1][fold]
    return judge(actual, lower, upper, DEFAULT_LEVEL)
