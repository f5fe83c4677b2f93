"""Rows that nothing behind an interval was fitted on: the only rows that may calibrate it, or judge it.

A row has one of three roles at a time: it fits (the estimator, or an aid beside it), it calibrates, or it judges. To
judge honestly the whole procedure is repeated without each fold in turn, and what comes out is judged on that fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from services.twin.domain.intervals import IntervalMethod, Outputs

Vector = NDArray[np.float64]

FOLDS = 5


class Source(StrEnum):
    """Where unseen rows come from, in order of strength."""

    HELD_OUT = "held_out"
    """Rows the caller held back; the served model itself was measured."""
    REFIT_SPLIT = "refit_split"
    """A share of the rows, predicted by the same recipe fitted on the others."""
    OUT_OF_FOLD = "out_of_fold"
    """Every row, predicted by the same recipe fitted on four fifths of the others."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What models that never saw these rows say about them, and what was measured, `(n,)`."""

    outputs: Outputs
    actual: Vector


class Evidence(Protocol):
    """Unseen rows, dealt into `FOLDS` folds."""

    @property
    def source(self) -> Source: ...

    def rows(self, method: IntervalMethod) -> int:
        """How many rows calibrate an interval of this method."""
        ...

    def rows_needed(self, method: IntervalMethod) -> int:
        """How many of `unseen` this method needs, for its aids to have enough to learn from."""
        ...

    def calibrating(self, method: IntervalMethod, without: int | None) -> Sample:
        """The rows that calibrate, with what this method needs; all of them, or as if a fold had never been there."""
        ...

    def judging(self, method: IntervalMethod, fold: int) -> Sample:
        """The rows of a fold, predicted by what was fitted without them."""
        ...

    def aids(self, method: IntervalMethod) -> Mapping[str, BaseEstimator]:
        """The aids to be served with this method, by the name of their output."""
        ...

    def unseen(self) -> "Unseen":
        """All unseen rows, and what the recipe without them predicts."""
        ...


@dataclass(frozen=True, slots=True)
class Unseen:
    """Measured and predicted `(n,)` [unit of the target], and the fold of each row `(n,)`."""

    actual: Vector
    prediction: Vector
    fold: NDArray[np.int64]

    @property
    def errors(self) -> Vector:
        """Measured minus predicted, `(n,)` [unit of the target]."""
        errors: Vector = self.actual - self.prediction
        return errors


def deal(count: int, seed: int) -> NDArray[np.int64]:
    """A fold for each of `count` rows, `(count,)`: at random, and as even as can be."""
    return np.random.default_rng(seed).permutation(np.arange(count) % FOLDS)


def pick(outputs: Outputs, where: NDArray[np.bool_]) -> Outputs:
    """Some rows of the outputs."""

    def some(column: Vector | None) -> Vector | None:
        return None if column is None else column[where]

    return Outputs(
        outputs.prediction[where], some(outputs.spread), some(outputs.lower_quantile), some(outputs.upper_quantile)
    )
