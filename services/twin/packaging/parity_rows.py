"""Rows chosen to hurt: where a graph that is nearly right differs from its model.

Random rows almost never lie on a threshold, so they prove little. Sensors report multiples of a step, and a tree
trained on such values puts its thresholds right between or upon them: so there are rows on that grid, and rows exactly
on thresholds, one double and one float32 to either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.twin.packaging.graph import Cuts
from services.twin.packaging.reference import Matrix, Vector
from services.twin.packaging.sensor_grid import grid_step

PARITY_ROWS = 20_000

_SEED = 20_000
_RANGE_EXCESS = 0.1


@dataclass(frozen=True, slots=True)
class HardRows:
    """Rows `(n, f)`: first those on the sensors' grid, then those on thresholds, then those anywhere."""

    rows: Matrix
    on_grid: int
    on_thresholds: int


def hard_rows(training: Matrix, resolutions: Sequence[float | None], cuts: Sequence[Cuts]) -> HardRows:
    """Choose 20,000 rows, always the same for the same arguments.

    Parameters
    ----------
    training
        `(n, f)` rows that the model was fitted on.
    resolutions
        Step of each sensor's grid; where it is `None` it is taken from the decimals of the training rows.
    cuts
        Where trees cut.
    """
    rng = np.random.default_rng(_SEED)
    grid = _grid_rows(training, resolutions, rng, PARITY_ROWS // 2)
    edges = _threshold_rows(cuts, grid, rng, PARITY_ROWS // 4)
    anywhere = _random_rows(training, rng, PARITY_ROWS - len(grid) - len(edges))
    return HardRows(np.concatenate([grid, edges, anywhere]), len(grid), len(edges))


def _grid_rows(training: Matrix, resolutions: Sequence[float | None], rng: np.random.Generator, count: int) -> Matrix:
    """Values that the sensors can send: half drawn from training, half from all over its range, rounded to the grid."""
    drawn = np.stack([rng.choice(column, count // 2) for column in training.T], axis=1)
    spread = rng.uniform(training.min(axis=0), training.max(axis=0), (count - len(drawn), training.shape[1]))
    rows = np.concatenate([drawn, spread])
    for column, resolution in enumerate(resolutions):
        step = resolution or grid_step(training[:, column])
        if step is not None:
            rows[:, column] = np.round(rows[:, column] / step) * step
    return rows


def _threshold_rows(cuts: Sequence[Cuts], base: Matrix, rng: np.random.Generator, count: int) -> Matrix:
    """Rows with one value where a tree cuts, or just beside; none for a model without such a place."""
    usable = [tree for tree in cuts if len(tree.features)]
    if not usable:
        return base[:0]
    features = np.concatenate([tree.features for tree in usable])
    thresholds = np.concatenate([tree.thresholds for tree in usable])
    number = np.repeat(np.arange(len(usable)), [len(tree.features) for tree in usable])
    picks = rng.integers(len(features), size=count)
    values = _beside(thresholds[picks], rng)
    rows = base[rng.integers(len(base), size=count)].copy()
    for row, pick in enumerate(picks):
        origin = usable[number[pick]].origins[features[pick]]
        if origin is not None:
            rows[row, origin.column] = origin.raw(values[row])
    return rows[np.all(np.isfinite(rows), axis=1)]


def _beside(values: Vector, rng: np.random.Generator) -> Vector:
    """Each value as it is, or moved by one double or one float32 up or down."""
    single = values.astype(np.float32)
    choices = [
        values,
        np.nextafter(values, -np.inf),
        np.nextafter(values, np.inf),
        np.nextafter(single, np.float32(-np.inf)).astype(np.float64),
        single.astype(np.float64),
        np.nextafter(single, np.float32(np.inf)).astype(np.float64),
    ]
    return np.choose(rng.integers(len(choices), size=len(values)), choices)


def _random_rows(training: Matrix, rng: np.random.Generator, count: int) -> Matrix:
    """Rows all over the training range and a little beyond."""
    lower, upper = training.min(axis=0), training.max(axis=0)
    excess = _RANGE_EXCESS * (upper - lower)
    return rng.uniform(lower - excess, upper + excess, (count, training.shape[1]))
