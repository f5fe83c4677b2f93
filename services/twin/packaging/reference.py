"""The estimator as the reference: predictions in double, exactly as its owner would get them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from services.twin.packaging.scaling import split_pipeline

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reference:
    """A fitted estimator and the scaler that stands before it."""

    estimator: BaseEstimator
    scaler: BaseEstimator | None

    def predict(self, rows: Matrix) -> Vector:
        """Predict `(n, f)` rows as scikit-learn does; `(n,)`."""
        return np.asarray(_quietly(self.estimator.predict, self._scaled(rows)), np.float64).reshape(-1)

    def spread(self, rows: Matrix) -> Vector | None:
        """Standard deviation over the trees, `(n,)`; `None` for an estimator without trees."""
        trees = self.trees(rows)
        if trees is None:
            return None
        spread: Vector = np.stack(list(trees)).std(axis=0)
        return spread

    def trees(self, rows: Matrix) -> Iterator[Vector] | None:
        """What each tree predicts, one `(n,)` after the other; `None` for an estimator without trees."""
        _, final = split_pipeline(self.estimator, self.scaler)
        if not hasattr(final, "estimators_"):
            return None
        scaled = self._scaled(rows)
        if final is not self.estimator:
            scaled = _quietly(self.estimator[:-1].transform, scaled)
        return (tree.predict(scaled) for tree in final.estimators_)

    def refit(self, rows: Matrix, target: Vector) -> "Reference":
        """The same recipe, fitted anew on these rows only, scaler included."""
        scaler = None if self.scaler is None else clone(self.scaler).fit(rows)
        scaled = rows if scaler is None else scaler.transform(rows)
        return Reference(clone(self.estimator).fit(scaled, target), scaler)

    def _scaled(self, rows: Matrix) -> Matrix:
        return rows if self.scaler is None else _quietly(self.scaler.transform, rows)


def _quietly(method: Callable[[Matrix], Matrix], rows: Matrix) -> Matrix:
    """Call a method that was fitted on a named table with a plain array, whose column order was checked before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        return method(rows)
