"""The exactness gate: a graph is packaged only if it predicts what the estimator predicts, on rows chosen to hurt.

Random rows almost never lie on a threshold, so they prove little. Sensors report multiples of a step, and a forest
trained on such values puts its thresholds right between or upon them: the gate tries rows on that grid, and rows
exactly on thresholds and one float32 to either side. Every tree is compared by itself and bit by bit: one wrong leaf
among hundreds of trees moves their mean by less than rounding may.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.bundle_layout import PREDICTION, TREES
from services.twin.packaging.errors import NotExact
from services.twin.packaging.reference import Matrix, Reference, Vector
from services.twin.packaging.scaling import Step, split_pipeline
from shared.onnx.session import OnnxSession

PARITY_ROWS = 20_000

_SEED = 20_000
_RANGE_EXCESS = 0.1
_MOST_DECIMALS = 6
# Leaves are rounded to float32 once, by at most half a unit of 2^-23; twice that leaves room for the order of sums.
_TOLERANCE = 2.0**-23


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What the gate measured.

    Parameters
    ----------
    largest_difference, tolerance
        Between graph and estimator, over all rows, and what was allowed [unit of the target].
    """

    rows: int
    rows_on_grid: int
    rows_on_thresholds: int
    largest_difference: float
    tolerance: float


def check_parity(
    session: OnnxSession, reference: Reference, training: Matrix, resolutions: Sequence[float | None]
) -> ParityReport:
    """Compare graph and estimator on 20,000 rows.

    Parameters
    ----------
    training
        `(n, f)` rows that the estimator was fitted on.
    resolutions
        Step of each sensor's grid; where it is `None` it is taken from the decimals of the training rows.

    Raises
    ------
    NotExact
        If any row differs by more than float32 rounding.
    """
    rng = np.random.default_rng(_SEED)
    grid = _grid_rows(training, resolutions, rng, PARITY_ROWS // 2)
    edges = _threshold_rows(reference, grid, rng, PARITY_ROWS // 4)
    anywhere = _random_rows(training, rng, PARITY_ROWS - len(grid) - len(edges))
    rows = np.concatenate([grid, edges, anywhere])
    expected = reference.predict(rows)
    (found,) = session.run_only([PREDICTION], rows)
    differences = np.abs(found - expected)
    tolerance = _TOLERANCE * max(float(np.max(np.abs(expected))), float(np.finfo(np.float32).tiny))
    wrong = int(np.sum(~(differences <= tolerance) | _on_a_wrong_leaf(session, reference, rows)))
    if wrong:
        raise NotExact(
            f"{wrong} of {len(rows)} rows differ from the estimator by more than float32 rounding",
            rows=len(rows),
            wrong=wrong,
            largest_difference=float(np.max(differences)),
            tolerance=tolerance,
        )
    return ParityReport(len(rows), len(grid), len(edges), float(np.max(differences)), tolerance)


def _on_a_wrong_leaf(session: OnnxSession, reference: Reference, rows: Matrix) -> NDArray[np.bool_]:
    """Whether any tree answers with another leaf than the estimator's, `(n,)`; never for a model without trees."""
    wrong = np.zeros(len(rows), np.bool_)
    trees = reference.trees(rows)
    if trees is not None:
        (found,) = session.run_only([TREES], rows)
        for column, expected in enumerate(trees):
            wrong |= found[:, column] != expected.astype(np.float32)
    return wrong


def _grid_rows(training: Matrix, resolutions: Sequence[float | None], rng: np.random.Generator, count: int) -> Matrix:
    """Values that the sensors can send: each column drawn from training, then rounded to its grid."""
    rows = np.stack([rng.choice(column, count) for column in training.T], axis=1)
    for column, resolution in enumerate(resolutions):
        step = resolution or _grid_step(training[:, column])
        if step is not None:
            rows[:, column] = np.round(rows[:, column] / step) * step
    return rows


def _grid_step(values: Vector) -> float | None:
    """The coarsest decimal step that all values lie on; `None` for values without a grid."""
    for decimals in range(_MOST_DECIMALS + 1):
        if np.array_equal(values, np.round(values, decimals)):
            return float(10.0**-decimals)
    return None


def _threshold_rows(reference: Reference, base: Matrix, rng: np.random.Generator, count: int) -> Matrix:
    """Rows with one value on a threshold of the model, or one float32 beside it; none for a model without any."""
    steps, final = split_pipeline(reference.estimator, reference.scaler)
    trees = [tree.tree_ for tree in getattr(final, "estimators_", [])]
    features = np.concatenate([np.empty(0, np.int64), *(tree.feature for tree in trees)])
    thresholds = np.concatenate([np.empty(0), *(tree.threshold for tree in trees)])[features >= 0]
    features = features[features >= 0]
    if not len(features):
        return base[:0]
    picks = rng.integers(len(features), size=count)
    values = _beside(thresholds[picks], rng)
    rows = base[rng.integers(len(base), size=count)].copy()
    rows[np.arange(count), features[picks]] = _unscale(steps, values, features[picks])
    return rows


def _beside(values: Vector, rng: np.random.Generator) -> Vector:
    """Each value as it is, or moved by one float32 up or down."""
    single = values.astype(np.float32)
    choices = [values, np.nextafter(single, np.float32(-np.inf)), single, np.nextafter(single, np.float32(np.inf))]
    return np.choose(rng.integers(len(choices), size=len(values)), [choice.astype(np.float64) for choice in choices])


def _unscale(steps: Sequence[Step], values: Vector, features: NDArray[np.int64]) -> Vector:
    """The raw values that scaling turns into these, up to the last bit."""
    for step in reversed(steps):
        operand = step.operand[features]
        match step.operator:
            case "Sub":
                values = values + operand
            case "Add":
                values = values - operand
            case "Div":
                values = values * operand
            case "Mul":
                values = values / operand
    return values


def _random_rows(training: Matrix, rng: np.random.Generator, count: int) -> Matrix:
    """Rows all over the training range and a little beyond."""
    lower, upper = training.min(axis=0), training.max(axis=0)
    excess = _RANGE_EXCESS * (upper - lower)
    return rng.uniform(lower - excess, upper + excess, (count, training.shape[1]))
