"""Cross-validation of recipes under a time budget, and the choice among those that are as good as the best.

References
----------
.. [1] Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., section 7.10: the one-standard-
   error rule, here on the differences to the best recipe fold by fold, because folds differ more than recipes do.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from services.twin.packaging.candidates import Candidate, average
from services.twin.packaging.reference import Matrix, Vector
from services.twin.packaging.row_split import Indices

# More rows hardly change which recipe is best, and cost as many times more.
MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Trial:
    """How a recipe did.

    Parameters
    ----------
    fold_rmse
        One per fold [unit of the target]; empty if there was no time for it.
    fold_s
        What a fold took, the mean of all.
    """

    candidate: Candidate
    fold_rmse: tuple[float, ...]
    fold_s: float = 0.0

    @property
    def rmse(self) -> float:
        """Mean over the folds [unit of the target]."""
        return float(np.mean(self.fold_rmse))

    @property
    def deviation(self) -> float:
        """Standard deviation over the folds [unit of the target]."""
        return float(np.std(self.fold_rmse))


class TimeBudget:
    """Seconds that may be spent on choosing.

    Parameters
    ----------
    now_s
        A clock that only rises.
    """

    def __init__(self, seconds: float, now_s: Callable[[], float]) -> None:
        self._seconds, self._now_s, self._start_s = seconds, now_s, now_s()

    def elapsed_s(self) -> float:
        return self._now_s() - self._start_s

    def allows(self, seconds: float) -> bool:
        """Whether this many seconds more fit in."""
        return self.elapsed_s() + seconds <= self._seconds


def cross_validate(
    recipes: Sequence[Candidate],
    rows: Matrix,
    values: Vector,
    folds: Sequence[tuple[Indices, Indices]],
    budget: TimeBudget,
) -> Iterator[Trial]:
    """Try each recipe on every fold, then the average of the two best families.

    The first recipe is tried whatever it costs, so that there is always one. A recipe whose first fold says that the
    others would go over the budget is given up.
    """
    folds = [(_thinned(seen), _thinned(judged)) for seen, judged in folds]
    trials: list[Trial] = []
    for recipe in recipes:
        trials.append(trial := _try(recipe, rows, values, folds, budget, always=not trials))
        yield trial
    if len(parts := _best_of_families(trials)) > 1:
        yield _try(average(parts), rows, values, folds, budget, always=False)


def as_good_as_the_best(trials: Sequence[Trial]) -> list[Trial]:
    """The best trial, and those that are worse by no more than one standard error of the difference."""
    finished = [trial for trial in trials if trial.fold_rmse]
    best = min(finished, key=lambda trial: trial.rmse)
    return [trial for trial in finished if trial is best or _is_as_good(trial, best)]


def _is_as_good(trial: Trial, best: Trial) -> bool:
    differences = np.subtract(trial.fold_rmse, best.fold_rmse)
    count = len(differences)
    error = float(np.std(differences, ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    return float(np.mean(differences)) <= error


def _try(
    recipe: Candidate,
    rows: Matrix,
    values: Vector,
    folds: Sequence[tuple[Indices, Indices]],
    budget: TimeBudget,
    *,
    always: bool,
) -> Trial:
    errors: list[float] = []
    start_s = budget.elapsed_s()
    for number, (seen, judged) in enumerate(folds):
        a_fold_s = (budget.elapsed_s() - start_s) / max(number, 1)
        if not always and not budget.allows(a_fold_s * (len(folds) - number)):
            return Trial(recipe, ())
        predicted = fit(recipe, rows[seen], values[seen]).predict(rows[judged])
        errors.append(float(np.sqrt(np.mean((predicted - values[judged]) ** 2))))
    return Trial(recipe, tuple(errors), (budget.elapsed_s() - start_s) / len(folds))


def fit(recipe: Candidate, rows: Matrix, values: Vector) -> BaseEstimator:
    """A new estimator of this recipe, fitted."""
    return recipe.make().fit(rows, values)


@contextmanager
def without_warnings_of_learners() -> Iterator[None]:
    """Silence what the figures show anyway: that a network could go on learning; and a false alarm of LightGBM's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # It gives its columns names by itself, and then misses them.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        yield


def _best_of_families(trials: Sequence[Trial]) -> list[Candidate]:
    """The best recipe of each of the two best families."""
    best: dict[str, Trial] = {}
    for trial in sorted((trial for trial in trials if trial.fold_rmse), key=lambda trial: trial.rmse):
        best.setdefault(trial.candidate.family, trial)
    return [trial.candidate for trial in list(best.values())[:2]]


def _thinned(indices: Indices) -> Indices:
    """Every so many of the rows, if there are too many."""
    return indices[:: math.ceil(len(indices) / MOST_ROWS)]
