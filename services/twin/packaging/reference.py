"""The model as the reference: predictions in double, exactly as its owner would get them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.pipeline import Pipeline

from services.twin.packaging import sources
from services.twin.packaging.sources import Matrix, Vector
from shared.errors import JSON

__all__ = ["Matrix", "Reference", "Vector"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A fitted model and the scaler that stands before it.

    Parameters
    ----------
    estimator
        A regressor or pipeline with scikit-learn's interface, a booster of LightGBM or XGBoost, or a PyTorch module.
    """

    estimator: Any
    scaler: BaseEstimator | None = None

    @property
    def final(self) -> Any:
        """The regressor at the end of the pipeline."""
        return sources.final_of(self.estimator)

    @property
    def can_refit(self) -> bool:
        """Whether the same recipe can be fitted on other rows; not so for boosters and modules."""
        return sources.can_refit(self.estimator)

    def describe(self) -> dict[str, JSON]:
        """`type`, `library` and `parameters` of the regressor, for the card."""
        return sources.describe(self.estimator)

    def predict(self, rows: Matrix) -> Vector:
        """Predict `(n, f)` rows as the library itself does; `(n,)`."""
        return sources.predict(self.estimator, self._scaled(rows))

    @property
    def is_forest(self) -> bool:
        """Whether each tree's own prediction can be told apart."""
        return type(self.final) in {RandomForestRegressor, ExtraTreesRegressor}

    def spread(self, rows: Matrix) -> Vector | None:
        """Standard deviation over the trees of a forest, `(n,)`; `None` for any other model."""
        if not self.is_forest:
            return None
        spread: Vector = self.trees(rows).std(axis=1)
        return spread

    def trees(self, rows: Matrix) -> Matrix:
        """What each tree predicts, `(n, t)`; only where `is_forest`."""
        before = self._before_final(rows)
        return np.stack([tree.predict(before) for tree in self.final.estimators_], axis=1)

    def leaf_predictor(self) -> Callable[[Matrix], Vector] | None:
        """Predicts what the leaves add up to in double, where the library adds them in float32; else `None`."""
        predict = sources.leaf_predictor(self.final)
        return None if predict is None else lambda rows: predict(self._before_final(rows))

    def refit(self, rows: Matrix, target: Vector) -> "Reference":
        """The same recipe, fitted anew on these rows only, scaler included; only where `can_refit`."""
        scaler = None if self.scaler is None else clone(self.scaler).fit(rows)
        scaled = rows if scaler is None else scaler.transform(rows)
        recipe = sources.unwrap(self.estimator)
        return Reference(clone(recipe).fit(sources.table(recipe, scaled), target), scaler)

    def _scaled(self, rows: Matrix) -> Matrix:
        return rows if self.scaler is None else np.asarray(sources.quietly(self.scaler.transform, rows))

    def _before_final(self, rows: Matrix) -> Matrix:
        """What the regressor at the end sees of these rows."""
        scaled, model = self._scaled(rows), sources.unwrap(self.estimator)
        while isinstance(model, Pipeline):
            if len(model.steps) > 1:
                scaled = np.asarray(sources.quietly(model[:-1].transform, sources.table(model, scaled)))
            model = sources.unwrap(model.steps[-1][1])
        return scaled
