"""The models that are tried on a new table: a line, networks and trees, each with settings that are rarely wrong.

Every recipe is deterministic for its seed, runs in one thread and has an exact conversion; those that learn quickly
come first, because the time for choosing may run out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe.

    Parameters
    ----------
    family
        Recipes of one family make the same kind of errors; an average takes one of each.
    make
        A new, unfitted estimator.
    """

    name: str
    family: str
    make: Callable[[], BaseEstimator]


def candidates(*, seed: int) -> list[Candidate]:
    """The recipes in the order in which they are tried; LightGBM's only where it is installed."""
    found = [
        Candidate("ridge", "linear", lambda: make_pipeline(StandardScaler(), Ridge())),
        Candidate("boosted trees", "boosting", lambda: _boosted(seed, learning_rate=0.1, leaves=31, rows_a_leaf=20)),
        Candidate(
            "boosted trees, slow", "boosting", lambda: _boosted(seed, learning_rate=0.05, leaves=63, rows_a_leaf=10)
        ),
    ]
    if find_spec("lightgbm") is not None:
        found += [
            Candidate("lightgbm", "boosting", lambda: _lightgbm(seed, leaves=31, rows_a_leaf=20)),
            Candidate("lightgbm, deep", "boosting", lambda: _lightgbm(seed, leaves=63, rows_a_leaf=10)),
        ]
    return [
        *found,
        Candidate("extra trees", "forest", lambda: _forest(ExtraTreesRegressor, seed, share_of_features=0.75)),
        Candidate("random forest", "forest", lambda: _forest(RandomForestRegressor, seed, share_of_features=0.5)),
        Candidate("network", "network", lambda: _network(seed)),
    ]


def average(parts: Sequence[Candidate]) -> Candidate:
    """The mean of several recipes."""
    name = "average of " + " and ".join(part.name for part in parts)
    return Candidate(
        name, "average", lambda: VotingRegressor([(f"part{i}", part.make()) for i, part in enumerate(parts)])
    )


def _boosted(seed: int, *, learning_rate: float, leaves: int, rows_a_leaf: int) -> BaseEstimator:
    return HistGradientBoostingRegressor(
        learning_rate=learning_rate,
        max_iter=1000,
        max_leaf_nodes=leaves,
        min_samples_leaf=rows_a_leaf,
        early_stopping=True,
        n_iter_no_change=20,
        random_state=seed,
    )


def _lightgbm(seed: int, *, leaves: int, rows_a_leaf: int) -> BaseEstimator:
    from lightgbm import LGBMRegressor  # noqa: PLC0415 (an extra)

    return LGBMRegressor(
        n_estimators=700,
        learning_rate=0.05,
        num_leaves=leaves,
        min_child_samples=rows_a_leaf,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
        deterministic=True,
        force_col_wise=True,
    )


def _forest(kind: Callable[..., Any], seed: int, *, share_of_features: float) -> BaseEstimator:
    return kind(100, max_features=share_of_features, min_samples_leaf=2, random_state=seed)


def _network(seed: int) -> BaseEstimator:
    network = MLPRegressor(
        hidden_layer_sizes=(64, 64), early_stopping=True, max_iter=300, alpha=1e-3, random_state=seed
    )
    # Gradient steps want a target of order 1, as they want inputs of order 1.
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
