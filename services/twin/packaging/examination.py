"""How a finished bundle does on rows that took no part in making or choosing it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from services.twin.domain.intervals import IntervalReport, TooFewResiduals, judge
from services.twin.packaging.calibration import DEFAULT_LEVEL, LEVELS
from services.twin.packaging.reference import Matrix, Vector

_DECILES = 10
_MOST_SHUFFLED_ROWS = 2_000
_SHUFFLES = 5
_MOST_PLACED_ROWS = 2_000
# Standard errors; chance alone goes this far once in thousands of trainings.
_ERRORS = 4.0


class Predictions(Protocol):
    """Arrays `(n,)`."""

    @property
    def prediction(self) -> Vector: ...
    @property
    def lower(self) -> Vector: ...
    @property
    def upper(self) -> Vector: ...


class Served(Protocol):
    """A loaded bundle."""

    def predict_many(self, rows: Matrix, level: float) -> Predictions: ...
    def states(self, rows: Matrix) -> Sequence[str]:
        """Where each row lies relative to the training rows: `in`, `edge` or `out`."""
        ...


@dataclass(frozen=True, slots=True)
class Metrics:
    """Errors of predictions [unit of the target]; `r2` [1] is `nan` where the target does not vary."""

    rmse: float
    mae: float
    r2: float


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found on the test rows.

    Parameters
    ----------
    lower, upper
        `(n,)` interval at 90 %.
    by_level
        Coverage, width and Winkler score; a level that the calibration is too small for is missing.
    by_decile
        Coverage at 90 % of each tenth of the rows, from the lowest to the highest prediction, with its row count.
    importance
        How much the RMSE grows when one feature is shuffled, mean of several times [unit of the target].
    states
        Share of rows that are `in`, at the `edge` and `out` of the training region.
    """

    actual: Vector
    prediction: Vector
    lower: Vector
    upper: Vector
    metrics: Metrics
    by_level: Mapping[float, IntervalReport]
    by_decile: Sequence[tuple[float, int]]
    importance: Mapping[str, float]
    states: Mapping[str, float]


def examine(served: Served, rows: Matrix, actual: Vector, names: Sequence[str], *, seed: int) -> Examination:
    """Judge a bundle on `(n, f)` rows and the `(n,)` values that were measured there."""
    found = served.predict_many(rows, DEFAULT_LEVEL)
    covered = (found.lower <= actual) & (actual <= found.upper)
    order = np.argsort(found.prediction, kind="stable")
    return Examination(
        actual=actual,
        prediction=found.prediction,
        lower=found.lower,
        upper=found.upper,
        metrics=measure(actual, found.prediction),
        by_level=_by_level(served, rows, actual),
        by_decile=[(float(np.mean(covered[part])), len(part)) for part in np.array_split(order, _DECILES) if len(part)],
        importance=_importance(
            lambda changed: served.predict_many(changed, DEFAULT_LEVEL).prediction, rows, actual, names, seed
        ),
        states=_state_shares(served.states(rows[:_MOST_PLACED_ROWS])),
    )


def disappointments(found: Examination) -> Iterator[str]:
    """Sentences about what the test rows did not confirm."""
    if found.metrics.r2 < 0.0:
        yield "on the test rows the model is worse than their mean would be"
    coverage, count = found.by_level[DEFAULT_LEVEL].coverage, len(found.actual)
    if coverage < DEFAULT_LEVEL - _ERRORS * math.sqrt(DEFAULT_LEVEL * (1.0 - DEFAULT_LEVEL) / count):
        yield (
            f"the interval of {DEFAULT_LEVEL:.0%} holds {coverage:.1%} of the test rows: they are not like the rows it "
            f"was calibrated with; where the process drifts, send observations and let intervals adapt (live)"
        )


def measure(actual: Vector, predicted: Vector) -> Metrics:
    """RMSE, MAE and R² of `(n,)` predictions."""
    return Metrics(
        float(root_mean_squared_error(actual, predicted)),
        float(mean_absolute_error(actual, predicted)),
        float(r2_score(actual, predicted)) if np.ptp(actual) > 0 else float("nan"),
    )


def _by_level(served: Served, rows: Matrix, actual: Vector) -> dict[float, IntervalReport]:
    reports = {}
    for level in LEVELS:
        try:
            found = served.predict_many(rows, level)
        except TooFewResiduals:
            continue
        reports[level] = judge(actual, found.lower, found.upper, level)
    return reports


def _importance(
    predict: Callable[[Matrix], Vector], rows: Matrix, actual: Vector, names: Sequence[str], seed: int
) -> dict[str, float]:
    """Permutation importance, the largest first.

    References
    ----------
    .. [1] Breiman (2001), Random Forests, Machine Learning 45, section 10
    """
    rng = np.random.default_rng(seed)
    rows, actual = rows[:_MOST_SHUFFLED_ROWS], actual[:_MOST_SHUFFLED_ROWS]
    base = float(root_mean_squared_error(actual, predict(rows)))
    growth = {}
    for column, name in enumerate(names):
        errors = []
        for _ in range(_SHUFFLES):
            changed = rows.copy()
            changed[:, column] = rng.permutation(changed[:, column])
            errors.append(float(root_mean_squared_error(actual, predict(changed))))
        growth[name] = float(np.mean(errors)) - base
    return dict(sorted(growth.items(), key=lambda item: -item[1]))


def _state_shares(states: Sequence[str]) -> dict[str, float]:
    return {state: sum(found == state for found in states) / len(states) for state in ("in", "edge", "out")}
