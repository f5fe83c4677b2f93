"""Adaptive conformal inference at several levels at once: intervals that keep their coverage while the plant drifts.

The scores of the newest observations stand in for the calibration's. Which of their quantiles serves a level is itself
learned: a few experts per level move theirs after every hit and miss, each at its own speed, and those that did best
lately have the say.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.intervals import Vector
from shared.errors import JSON

Matrix = NDArray[np.float64]

LEVELS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""The levels that are learned; those in between lie in between."""

_KNOTS = (0.0, *LEVELS)
# Step sizes of the experts, each four times the one before, and the horizon of their competition [rows]: the range
# and the horizon of [1]_ (gamma and I there).
_SPEEDS = (0.001, 0.004, 0.016, 0.064)
_HORIZON_ROWS = 500
_SHARING = 1.0 / (2 * _HORIZON_ROWS)
_RANK_SLACK = 1e-9

_MISS = 1.0 - np.array(LEVELS)[:, np.newaxis]
# The learning rate that [1]_ derives for a horizon, for each level.
_RATE = np.sqrt(
    3.0
    / _HORIZON_ROWS
    * (math.log(len(_SPEEDS) * _HORIZON_ROWS) + 2.0)
    / ((1.0 - _MISS) ** 2 * _MISS**3 + _MISS**2 * (1.0 - _MISS) ** 3)
)


@dataclass(frozen=True, slots=True)
class Experts:
    """What the experts hold: the share of misses each aims at, and the weight of its word.

    Parameters
    ----------
    misses
        `(levels, experts)` [1]; an expert whose intervals missed too often aims below the nominal share, even below 0.
    weights
        `(levels, experts)`, positive, each row adding up to 1.

    References
    ----------
    .. [1] Gibbs & Candès (2024), Conformal Inference for Online Prediction with Arbitrary Distribution Shifts,
       JMLR 25(162), algorithm 1 (DtACI); arXiv:2208.08401
    .. [2] Gibbs & Candès (2021), Adaptive Conformal Inference Under Distribution Shift, arXiv:2106.00170
    """

    misses: Matrix
    weights: Matrix

    @classmethod
    def new(cls) -> Self:
        """Experts that have seen nothing: all at the nominal share, all of equal weight."""
        shape = (len(LEVELS), len(_SPEEDS))
        return cls(np.broadcast_to(_MISS, shape).copy(), np.full(shape, 1.0 / len(_SPEEDS)))

    def after(self, rank_share: float) -> Self:
        """What they hold after one more observation.

        Parameters
        ----------
        rank_share
            As `rank_share` finds it: below it an interval would have held, in [0, 1].
        """
        distance = rank_share - self.misses
        loss = _MISS * distance - np.minimum(0.0, distance)
        weights = self.weights * np.exp(-_RATE * loss)
        weights /= weights.sum(axis=1, keepdims=True)
        weights = (1.0 - _SHARING) * weights + _SHARING / len(_SPEEDS)
        missed = self.misses >= rank_share
        return type(self)(self.misses + np.array(_SPEEDS) * (_MISS - missed), weights)

    def levels(self) -> Vector:
        """The quantile that serves each of `LEVELS`, ascending; may lie above 1, where no score is large enough."""
        aimed: Vector = np.sum(self.misses * self.weights, axis=1)
        return np.maximum.accumulate(1.0 - aimed)

    def to_json(self) -> dict[str, JSON]:
        """As it is stored."""
        return {"misses": self.misses.tolist(), "weights": self.weights.tolist()}

    @classmethod
    def of(cls, document: Mapping[str, JSON]) -> Self:
        """Read what `to_json` wrote."""
        return cls(np.array(document["misses"], np.float64), np.array(document["weights"], np.float64))


@dataclass(frozen=True, slots=True)
class AdaptedScores:
    """The score that each level takes now.

    Parameters
    ----------
    scores
        `(1 + levels,)` ascending: the smallest score for the level 0, then one for each of `LEVELS`.
    clamped
        Whether a level asked for more than the largest score, and got that one: no interval is infinite.
    """

    scores: tuple[float, ...]
    clamped: bool

    def score(self, level: float) -> float:
        """The score of any level up to the last of `LEVELS`, and that one's beyond; never less for a higher level.

        A quantile function is convex in its upper part: between two learned levels the straight line is never below.
        """
        if level >= LEVELS[-1]:
            return self.scores[-1]
        # Not numpy's interpolation: this is in the way of every prediction, and turning tuples into arrays costs more.
        right = bisect_right(_KNOTS, level)
        below, above = self.scores[right - 1], self.scores[right]
        share = (level - _KNOTS[right - 1]) / (_KNOTS[right] - _KNOTS[right - 1])
        return min(below + share * (above - below), above)

    def to_json(self) -> list[JSON]:
        """As it is stored."""
        return [*self.scores, self.clamped]

    @classmethod
    def of(cls, document: Sequence[JSON]) -> Self:
        """Read what `to_json` wrote."""
        return cls(cast("tuple[float, ...]", tuple(document[:-1])), bool(document[-1]))


def adapted_scores(recent: Vector, experts: Experts) -> AdaptedScores:
    """Look up the experts' quantiles.

    Parameters
    ----------
    recent
        `(n,)` ascending scores.
    """
    ranks = np.maximum(np.ceil((len(recent) + 1) * experts.levels() - _RANK_SLACK), 1.0).astype(int)
    chosen = recent[np.minimum(ranks, len(recent)) - 1]
    return AdaptedScores((float(recent[0]), *chosen.tolist()), bool(np.any(ranks > len(recent))))


def rank_share(recent: Vector, score: float) -> float:
    """The share of misses below which an interval, taken from `recent` `(n,)` ascending, holds this score.

    0 if none does; between 0 and 1 otherwise.

    Examples
    --------
    >>> rank_share(np.array([1.0, 2.0, 3.0]), 2.0)
    0.75
    >>> rank_share(np.array([1.0, 2.0, 3.0]), 4.0)
    0.0
    """
    smaller = int(np.searchsorted(recent, score, side="left"))
    return 0.0 if smaller == len(recent) else 1.0 - smaller / (len(recent) + 1)


def typical_scores(scores: Vector, rows: int) -> Vector:
    """`(rows,)` ascending: as if a calibration of `(n,)` scores had been observed lately."""
    places = ((np.arange(rows) + 0.5) / rows * len(scores)).astype(int)
    typical: Vector = scores[places]
    return typical
