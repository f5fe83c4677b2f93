"""The linear surrogate of a package: learned, calibrated and judged on rows of their own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.fallback import LinearSurrogate, learn_surrogate
from services.twin.domain.intervals import judge, residuals_needed
from services.twin.packaging.calibration import DEFAULT_LEVEL, TooFewCalibrationRows
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.training_data import TrainingData
from shared.errors import JSON

# The covariances of more are larger than the model that they stand in for.
MOST_FEATURES = 256
# Every prediction looks at all of them.
_MOST_CALIBRATION_ROWS = 500
_MOST_JUDGED_ROWS = 2_000
_SHARE = 0.2
_SEED = 11


@dataclass(frozen=True, slots=True)
class JudgedSurrogate:
    """A surrogate, and what the card says about it."""

    surrogate: LinearSurrogate
    card: dict[str, JSON]


def fit_surrogate(data: TrainingData, names: list[str]) -> JudgedSurrogate:
    """Learn from three fifths of the rows, calibrate with a fifth, judge on a fifth; then learn from the judges, too.

    Raises
    ------
    TooFewCalibrationRows
        If a fifth of the rows gives no 90 % interval.
    DataUnusable
        If there are more than 256 features.
    """
    if len(names) > MOST_FEATURES:
        raise DataUnusable(f"a linear fallback takes at most {MOST_FEATURES} features, there are {len(names)}")
    needed = int(np.ceil(residuals_needed(DEFAULT_LEVEL) / _SHARE))
    if len(data.rows) < needed:
        raise TooFewCalibrationRows("a linear fallback", needed=needed, count=len(data.rows))
    order = np.random.default_rng(_SEED).permutation(len(data.rows))
    fifth = int(np.ceil(_SHARE * len(order)))
    calibrating = data.part(order[: min(fifth, _MOST_CALIBRATION_ROWS)])
    judging = data.part(order[-min(fifth, _MOST_JUDGED_ROWS) :])
    others = order[len(calibrating.rows) :]
    judged = _learn(data.part(others[: -len(judging.rows)]), calibrating)
    return JudgedSurrogate(
        _learn(data.part(others), calibrating),
        {
            "type": "linear",
            "calibration_rows": len(calibrating.rows),
            "evaluation": {
                "level": DEFAULT_LEVEL,
                "rows": len(judging.rows),
                "all_features": _figures(judged, judging, np.ones(len(names), np.bool_)),
                "without": {
                    name: _figures(judged, judging, np.arange(len(names)) != column)
                    for column, name in enumerate(names)
                },
            },
        },
    )


def _learn(data: TrainingData, calibrating: TrainingData) -> LinearSurrogate:
    return learn_surrogate(data.rows, data.target, calibrating.rows, calibrating.target)


def _figures(surrogate: LinearSurrogate, judging: TrainingData, used: NDArray[np.bool_]) -> dict[str, JSON]:
    prediction, lower, upper = surrogate.predict_many(judging.rows, used, DEFAULT_LEVEL)
    report = judge(judging.target, lower, upper, DEFAULT_LEVEL)
    rmse = float(np.sqrt(np.mean(np.square(judging.target - prediction))))
    return {"rmse": rmse, "coverage": report.coverage, "width": report.width, "winkler": report.winkler}
