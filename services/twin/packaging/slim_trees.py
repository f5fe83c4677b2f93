"""Fewer and smaller trees: recipes that need less than the one that was handed over, and how each does.

References
----------
.. [1] Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, chapter 3 (cost-complexity
   pruning)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.pipeline import Pipeline

from services.twin.packaging.reference import Reference, Vector
from services.twin.packaging.sources import Kind, kind_of, unwrap
from services.twin.packaging.training_data import TrainingData

_FORESTS = {RandomForestRegressor, ExtraTreesRegressor}
# How much variance of the target a split must explain to stay, as a share of all of it.
_PRUNING_SHARES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
_TREE_SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)


@dataclass(frozen=True, slots=True)
class SmallerRecipe:
    """Parameters that make a model smaller.

    Parameters
    ----------
    size
        Comparable within one model only: nodes of a forest, rounds of boosting.
    rmse
        On rows that it was not fitted on [unit of the target].
    """

    parameters: Mapping[str, int | float]
    size: int
    rmse: float


def has_trees(reference: Reference) -> bool:
    """Whether there are trees to leave out."""
    return type(reference.final) in _FORESTS or _rounds_parameter(reference.final) is not None


def smaller_recipes(reference: Reference, fitting: TrainingData, judging: TrainingData) -> Iterator[SmallerRecipe]:
    """Fit smaller recipes on some rows and measure them on others."""
    if type(reference.final) in _FORESTS:
        yield from _smaller_forests(reference, fitting, judging)
    else:
        yield from _shorter_boosting(reference, fitting, judging)


def with_parameters(reference: Reference, parameters: Mapping[str, int | float]) -> Reference:
    """The same recipe with other parameters of its regressor, not fitted."""
    recipe, prefix = clone(unwrap(reference.estimator)), ""
    step: Any = recipe
    while isinstance(step, Pipeline):
        prefix += f"{step.steps[-1][0]}__"
        step = step.steps[-1][1]
    return Reference(
        recipe.set_params(**{f"{prefix}{name}": value for name, value in parameters.items()}), reference.scaler
    )


def _smaller_forests(reference: Reference, fitting: TrainingData, judging: TrainingData) -> Iterator[SmallerRecipe]:
    variance = float(np.var(fitting.target))
    for share in _PRUNING_SHARES:
        alpha = max(share * variance, float(reference.final.ccp_alpha))
        forest = with_parameters(reference, {"ccp_alpha": alpha}).refit(fitting.rows, fitting.target)
        sums = np.cumsum(forest.trees(judging.rows), axis=1)
        sizes = np.cumsum([tree.tree_.node_count for tree in forest.final.estimators_]).tolist()
        # The first trees of a forest are a smaller forest: one fit serves every number of trees.
        for count, size in enumerate(sizes, start=1):
            rmse = _rmse(judging.target, sums[:, count - 1] / count)
            yield SmallerRecipe({"n_estimators": count, "ccp_alpha": alpha}, size, rmse)


def _shorter_boosting(reference: Reference, fitting: TrainingData, judging: TrainingData) -> Iterator[SmallerRecipe]:
    name = _rounds_parameter(reference.final)
    if name is None:
        return
    rounds = int(getattr(reference.final, "n_iter_", reference.final.get_params()[name] or 100))
    for share in _TREE_SHARES:
        count = max(1, round(share * rounds))
        shorter = with_parameters(reference, {name: count}).refit(fitting.rows, fitting.target)
        yield SmallerRecipe({name: count}, count, _rmse(judging.target, shorter.predict(judging.rows)))


def _rounds_parameter(final: Any) -> str | None:
    if isinstance(final, HistGradientBoostingRegressor):
        return "max_iter"
    boosted = isinstance(final, GradientBoostingRegressor)
    known = boosted or kind_of(final) in {Kind.LIGHTGBM_REGRESSOR, Kind.XGBOOST_REGRESSOR}
    return "n_estimators" if known else None


def _rmse(actual: Vector, predicted: Vector) -> float:
    return float(np.sqrt(np.mean(np.square(actual - predicted))))
