"""Fewer and smaller trees: recipes that need less than the one that was handed over, and how each does.

References
----------
.. [1] Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, chapter 3 (cost-complexity
   pruning)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.pipeline import Pipeline

from services.twin.packaging.reference import Matrix, Reference, Vector
from services.twin.packaging.sources import Kind, kind_of, unwrap
from services.twin.packaging.training_data import TrainingData

_FORESTS = {RandomForestRegressor, ExtraTreesRegressor}
# How much variance of the target a split must explain to stay, as a share of all of it.
_PRUNING_SHARES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
_TREE_SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows that fit recipes, rows that judge them, and the full model, which never saw the latter."""

    fitting: TrainingData
    judging: TrainingData
    full: Reference

    def squared_errors(self, predicted: Vector) -> Vector:
        """Of predictions `(n,)` for the judging rows."""
        return np.square(self.judging.target - predicted)


@dataclass(frozen=True, slots=True)
class SmallerRecipe:
    """Parameters that make a model smaller.

    Parameters
    ----------
    size
        Comparable within one model only: nodes of a forest, rounds of boosting.
    squared_errors
        `(n,)` on the judging rows of all trials.
    """

    parameters: Mapping[str, int | float]
    size: int
    squared_errors: Vector


def has_trees(reference: Reference) -> bool:
    """Whether there are trees to leave out."""
    return type(reference.final) in _FORESTS or _rounds_parameter(reference.final) is not None


def smaller_recipes(reference: Reference, data: TrainingData, trials: Sequence[Trial]) -> Iterator[SmallerRecipe]:
    """Fit smaller recipes on some rows and measure them on others.

    Parameters
    ----------
    data
        All rows, which the recipe that is chosen will be fitted on.
    """
    if type(reference.final) in _FORESTS:
        yield from _smaller_forests(reference, data, trials)
    else:
        yield from _shorter_boosting(reference, trials)


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


def _smaller_forests(reference: Reference, data: TrainingData, trials: Sequence[Trial]) -> Iterator[SmallerRecipe]:
    variance = float(np.var(data.target))
    for share in _PRUNING_SHARES:
        alpha = max(share * variance, float(reference.final.ccp_alpha))
        recipe = with_parameters(reference, {"ccp_alpha": alpha})
        sizes, errors = zip(*(_growing_forest(recipe, trial) for trial in trials), strict=True)
        # The first trees of a forest are a smaller forest: one fit serves every number of trees.
        counts = range(1, len(sizes[0]) + 1)
        for count, size, squared in zip(counts, np.sum(sizes, axis=0), np.hstack(errors), strict=True):
            yield SmallerRecipe({"n_estimators": count, "ccp_alpha": alpha}, int(size), squared)


def _growing_forest(recipe: Reference, trial: Trial) -> tuple[NDArray[np.int64], Matrix]:
    """Nodes `(t,)` and squared errors `(t, n)` of the first tree, of the first two, and so on."""
    forest = recipe.refit(trial.fitting.rows, trial.fitting.target)
    counts = np.arange(1, len(forest.final.estimators_) + 1)
    means = np.cumsum(forest.trees(trial.judging.rows), axis=1) / counts
    nodes = np.cumsum([tree.tree_.node_count for tree in forest.final.estimators_])
    return nodes, np.square(means.T - trial.judging.target)


def _shorter_boosting(reference: Reference, trials: Sequence[Trial]) -> Iterator[SmallerRecipe]:
    name = _rounds_parameter(reference.final)
    if name is None:
        return
    rounds = int(getattr(reference.final, "n_iter_", reference.final.get_params()[name] or 100))
    for share in _TREE_SHARES:
        count = max(1, round(share * rounds))
        recipe = with_parameters(reference, {name: count})
        errors = [
            trial.squared_errors(recipe.refit(trial.fitting.rows, trial.fitting.target).predict(trial.judging.rows))
            for trial in trials
        ]
        yield SmallerRecipe({name: count}, count, np.concatenate(errors))


def _rounds_parameter(final: Any) -> str | None:
    if isinstance(final, HistGradientBoostingRegressor):
        return "max_iter"
    boosted = isinstance(final, GradientBoostingRegressor)
    known = boosted or kind_of(final) in {Kind.LIGHTGBM_REGRESSOR, Kind.XGBOOST_REGRESSOR}
    return "n_estimators" if known else None
