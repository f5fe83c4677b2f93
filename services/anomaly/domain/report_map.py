"""Rows as points of a plane: how the rows of a training lie to each other, and where later rows come to lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import ResidualModel, Scorer
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.windows import block_windows, windows

# Enough points for a map, few enough for a page.
MAP_POINTS = 1000


class MapOf(StrEnum):
    """What the points of a map are made of."""

    LATENT = "latent"
    """What a network makes of a window inside: means, where it is a distribution."""
    SMOOTHED_ROWS = "smoothed_rows"
    """The smoothed sensors, where there is no network."""


@runtime_checkable
class LatentModel(ResidualModel, Protocol):
    """A model that can tell what it makes of a window inside."""

    def latent(self, batch: Floats) -> Floats:
        """`(b, k)` latents of `(b, window_rows, c)` windows [units of the sensors]."""
        ...


@dataclass(frozen=True, slots=True)
class Map:
    """Rows as points of a plane: their two directions of largest variance.

    Parameters
    ----------
    of
        What was projected.
    mean, axes
        `(k,)` and `(2, k)`: a point is `(values - mean) @ axes.T`.
    explained
        Share of the variance along each axis.
    rows
        `(m,)` positions in the training rows.
    points
        `(m, 2)`.
    """

    of: MapOf
    mean: Floats
    axes: Floats
    explained: tuple[float, float]
    rows: tuple[int, ...]
    points: Floats

    def place(self, values: Floats) -> Floats:
        """`(m, 2)` points of `(m, k)` values."""
        return np.asarray((values - self.mean) @ self.axes.T)


def sample_rows(first: int, rows: int, *, most: int = MAP_POINTS) -> list[int]:
    """Positions of at most `most` rows from `first` to before `rows`, evenly spread.

    Examples
    --------
    >>> sample_rows(2, 10, most=3)
    [2, 5, 9]
    """
    return [int(row) for row in np.linspace(first, rows - 1, max(min(most, rows - first), 0)).astype(np.int64)]


def draw_map(of: MapOf, values: Floats, rows: Sequence[int]) -> Map | None:
    """Project `(m, k)` values on the two directions in which they vary most; None for fewer than three rows.

    Values of one dimension lie on a line. The sign of an axis is such that its largest weight is positive: the same
    training draws the same map.
    """
    if len(values) < 3:
        return None
    mean = values.mean(axis=0)
    _, spread, directions = np.linalg.svd(values - mean, full_matrices=False)
    axes = np.zeros((2, values.shape[1]))
    kept = min(2, len(directions))
    strongest = np.argmax(np.abs(directions[:kept]), axis=1)
    axes[:kept] = directions[:kept] * np.sign(directions[np.arange(kept), strongest])[:, None]
    variance = np.zeros(2)
    variance[:kept] = spread[:kept] ** 2
    total = float((spread**2).sum())
    share = variance / total if total > 0 else variance
    return Map(of, mean, axes, (float(share[0]), float(share[1])), tuple(rows), np.asarray((values - mean) @ axes.T))


def mapped_values(scorer: Scorer, runs: Runs, *, most: int) -> tuple[MapOf, Floats, list[int]]:
    """What a map is made of, for at most `most` of `n` rows: `(m, k)` values, and the positions of these rows.

    Rows that look back on rows that are not there, or across a break, have none.
    """
    model = scorer.model
    length = model.window_rows if isinstance(model, LatentModel) else scorer.warmup_rows + 1
    whole = runs.whole_windows(length)
    first = whole[sample_rows(0, len(whole), most=most)]
    rows = (first + length - 1).tolist()
    every = windows(runs.rows, model.window_rows)
    if isinstance(model, LatentModel):
        return MapOf.LATENT, _in_blocks(model.latent, every, first), rows
    averaged = first[:, None] + np.arange(scorer.head.smoothing_rows)
    # Of a long training only the residuals that are asked for are computed again.
    needed, place = np.unique(averaged, return_inverse=True)
    smooth = _in_blocks(model.residuals, every, needed)[place.reshape(averaged.shape)].mean(axis=1)
    return MapOf.SMOOTHED_ROWS, smooth, rows


def _in_blocks(compute: Callable[[Floats], Floats], every: Floats, picked: NDArray[np.int64]) -> Floats:
    """What `compute` makes of some of the windows; a few are copied at a time."""
    block = block_windows(*every.shape[1:])
    parts = [compute(every[picked[i : i + block]]) for i in range(0, len(picked), block)]
    return np.concatenate(parts) if parts else np.empty((0, every.shape[2]))
