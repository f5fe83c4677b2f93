"""Small models that shape an interval: one expects the size of the error, two regress the quantiles.

They are fitted by the packager beside the estimator, take the same raw rows, and travel in the same graph. Their
settings are fixed: what they get wrong the calibration makes up for, in width and never in coverage.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from services.twin.domain.bundle_layout import LOWER_QUANTILE, SPREAD, UPPER_QUANTILE
from services.twin.packaging.reference import Reference

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Fewer rows than these tell less about the error's size than about chance; a tail of 5 % then holds too few.
ERROR_MODEL_ROWS = 100
QUANTILE_ROWS = 400
# Trees of more rows grow in size and in time to fit, and tell the error's size no better.
_MOST_ROWS_A_TREE = 4_000

LOWER, UPPER = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Expects the absolute error at a row: what the trees' spread is for a forest, for any other model."""

    model: Reference

    @classmethod
    def fit(cls, rows: Matrix, errors: Vector) -> "ErrorModel":
        """Learn from `(n, f)` rows and the absolute errors `(n,)` of a model that never saw them."""
        # Averages of ten rows or more: single errors scatter by three quarters of their mean (half-normal).
        trees = RandomForestRegressor(
            40,
            min_samples_leaf=10,
            max_features=0.5,
            max_samples=min(len(rows), _MOST_ROWS_A_TREE),
            random_state=0,
        )
        return cls(Reference(trees.fit(rows, errors), None))

    def spread(self, rows: Matrix) -> Vector:
        """The expected absolute error, `(n,)` [unit of the target]; what the graph returns as its spread."""
        return np.maximum(self.model.predict(rows), 0.0)

    @property
    def served(self) -> Mapping[str, BaseEstimator]:
        """What the graph computes besides the prediction."""
        return {SPREAD: self.model.estimator}


@dataclass(frozen=True, slots=True)
class QuantilePair:
    """Regressed 5 % and 95 % quantiles of the target."""

    lower: Reference
    upper: Reference

    @classmethod
    def fit(cls, rows: Matrix, target: Vector) -> "QuantilePair":
        """Learn from `(n, f)` rows and their target `(n,)`; rows that calibrate must not be among them."""
        return cls(*(Reference(_quantile(share).fit(rows, target), None) for share in (LOWER, UPPER)))

    def predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        """Lower and upper quantile, each `(n,)` [unit of the target]."""
        return self.lower.predict(rows), self.upper.predict(rows)

    @property
    def served(self) -> Mapping[str, BaseEstimator]:
        """What the graph computes besides the prediction."""
        return {LOWER_QUANTILE: self.lower.estimator, UPPER_QUANTILE: self.upper.estimator}


def _quantile(share: float) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="quantile",
        quantile=share,
        max_iter=100,
        learning_rate=0.13,
        max_leaf_nodes=15,
        early_stopping=False,
        random_state=0,
    )
