"""A smaller model for a small loss: fewer and pruned trees, or weights in fewer bits, within a stated budget of error.

What is slimmed is the recipe, not the bundle: the slim model is proved exact, calibrated and judged like any other, on
its own errors.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
from sklearn.model_selection import KFold

from services.twin.domain.bundle_layout import PREDICTION
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.graph import ConvertedModel
from services.twin.packaging.reference import Reference, Vector
from services.twin.packaging.slim_trees import Trial, has_trees, smaller_recipes, with_parameters
from services.twin.packaging.training_data import TrainingData
from services.twin.packaging.weights import WeightType, is_network, round_weights, store_short
from shared.errors import JSON
from shared.onnx.session import OnnxSession

_FOLDS = 5
# So many unseen rows tell a rise of a few percent from chance; further fits would tell little more.
_ENOUGH_JUDGED_ROWS = 2_000
# One-sided 95 % of a normal distribution: the smallest of many recipes within a budget is there partly by luck.
_CONFIDENCE = 0.95
_STANDARD_ERRORS = 1.645
_SEED = 12
_TIMED_RUNS = 20


@dataclass(frozen=True, slots=True)
class SlimBudget:
    """How much worse a slim model may be.

    Parameters
    ----------
    rmse_rise
        Largest allowed rise of the RMSE on unseen rows, as a share of the full model's [1].
    """

    rmse_rise: float

    @classmethod
    def of(cls, document: object) -> Self:
        """Read `{"budget": 0.02}`.

        Raises
        ------
        DataUnusable
            If there is anything else in it, or the budget is not between 0 and 1.
        """
        members = document if isinstance(document, Mapping) else {}
        budget = members.get("budget")
        if set(members) != {"budget"} or isinstance(budget, bool) or not isinstance(budget, int | float):
            raise DataUnusable('slim takes one member, the allowed rise of the error, such as {"budget": 0.02}')
        if not 0.0 <= budget < 1.0:
            raise DataUnusable(f"the budget of slim is a share from 0 to 1, not {budget!r}")
        return cls(float(budget))

    def holds(self, squared_errors: Vector, full: Vector) -> bool:
        """Whether the rise of the RMSE is within the budget beyond what chance may have done.

        Parameters
        ----------
        squared_errors, full
            `(n,)` of the slim and of the full model on the same unseen rows.
        """
        excess = squared_errors - (1.0 + self.rmse_rise) ** 2 * full
        error = float(np.std(excess, ddof=1)) / math.sqrt(len(excess)) if len(excess) > 1 else 0.0
        return float(np.mean(excess)) + _STANDARD_ERRORS * error <= 0.0


@dataclass(frozen=True, slots=True)
class Slimmed:
    """A smaller model within the budget; the full one where there is none.

    Parameters
    ----------
    store
        How its graph is stored.
    """

    reference: Reference
    store: Callable[[ConvertedModel], ConvertedModel]
    card: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class _Choice:
    """The slim model fitted on all rows, how it differs, and what it costs in error."""

    reference: Reference
    store: Callable[[ConvertedModel], ConvertedModel]
    how: dict[str, JSON]
    rmse: float


def slim_down(reference: Reference, data: TrainingData, held_back: TrainingData | None, budget: SlimBudget) -> Slimmed:
    """Find the smallest model whose error on unseen rows stays within the budget.

    Parameters
    ----------
    data
        What the model was fitted on: each fifth of it judges recipes fitted on the others, as far as enough rows need.
    held_back
        Rows that the model never saw; they judge a model that cannot be fitted again.

    Raises
    ------
    DataUnusable
        If the model has neither trees nor weights to save on, or no unseen rows.
    """
    if not (is_network(reference) or (has_trees(reference) and reference.can_refit)):
        raise DataUnusable("slim takes forests, boosted trees and networks; this model has nothing to leave out")
    trials = _trials(reference, data, held_back)
    full_errors = np.concatenate([trial.squared_errors(trial.full.predict(trial.judging.rows)) for trial in trials])
    full = _Choice(reference, _as_it_is, {}, _rmse(full_errors))
    if is_network(reference):
        choice = _fewer_bits(reference, trials, full_errors, budget)
    else:
        choice = _fewer_trees(reference, data, trials, full_errors, budget)
    before = _as_it_is(_converted(reference, data))
    after = before if choice is None else choice.store(_converted(choice.reference, data))
    if choice is None or len(after.data) >= len(before.data):
        choice, after = full, before
    return Slimmed(
        choice.reference,
        choice.store,
        {
            "budget": budget.rmse_rise,
            "confidence": _CONFIDENCE,
            "judged_rows": len(full_errors),
            "how": choice.how,
            "before": _costs(before, data, full.rmse),
            "after": _costs(after, data, choice.rmse),
            "rmse_rise": choice.rmse / full.rmse - 1.0 if full.rmse > 0 else 0.0,
        },
    )


def _trials(reference: Reference, data: TrainingData, held_back: TrainingData | None) -> list[Trial]:
    """Unseen rows, each with the full model that never saw them."""
    if not reference.can_refit:
        if held_back is None:
            raise DataUnusable("a model that cannot be fitted again is slimmed on calibration=(X, y)")
        return [Trial(data, held_back, reference)]
    if len(data.rows) < 2 * _FOLDS:
        raise DataUnusable(f"slim needs at least {2 * _FOLDS} rows, there are {len(data.rows)}", needed=2 * _FOLDS)
    folds = KFold(_FOLDS, shuffle=True, random_state=_SEED).split(data.rows)
    count = min(_FOLDS, math.ceil(_ENOUGH_JUDGED_ROWS * _FOLDS / len(data.rows)))
    return [
        Trial(fitting := data.part(seen), data.part(unseen), reference.refit(fitting.rows, fitting.target))
        for seen, unseen in islice(folds, count)
    ]


def _fewer_bits(
    reference: Reference, trials: Sequence[Trial], full_errors: Vector, budget: SlimBudget
) -> _Choice | None:
    for weight_type in WeightType:
        errors = np.concatenate(
            [
                trial.squared_errors(round_weights(trial.full, weight_type).predict(trial.judging.rows))
                for trial in trials
            ]
        )
        if budget.holds(errors, full_errors):
            how: dict[str, JSON] = {"weights": weight_type.value}
            return _Choice(round_weights(reference, weight_type), store_short, how, _rmse(errors))
    return None


def _fewer_trees(
    reference: Reference, data: TrainingData, trials: Sequence[Trial], full_errors: Vector, budget: SlimBudget
) -> _Choice | None:
    within = [
        recipe
        for recipe in smaller_recipes(reference, data, trials)
        if budget.holds(recipe.squared_errors, full_errors)
    ]
    if not within:
        return None
    smallest = min(within, key=lambda recipe: recipe.size)
    model = with_parameters(reference, smallest.parameters).refit(data.rows, data.target)
    return _Choice(model, _as_it_is, dict(smallest.parameters), _rmse(smallest.squared_errors))


def _converted(reference: Reference, data: TrainingData) -> ConvertedModel:
    return convert(reference.estimator, reference.scaler, features=data.rows.shape[1])


def _as_it_is(converted: ConvertedModel) -> ConvertedModel:
    return converted


def _costs(converted: ConvertedModel, data: TrainingData, rmse: float) -> dict[str, JSON]:
    """Size of the graph, time of one row on this machine, and error on the judging rows."""
    session, row = OnnxSession(converted.data, converted.graph), data.rows[:1]
    best_s = float("inf")
    for _ in range(_TIMED_RUNS):
        start_s = time.perf_counter()
        session.run_only([PREDICTION], row)
        best_s = min(best_s, time.perf_counter() - start_s)
    return {"graph_bytes": len(converted.data), "row_us": round(best_s * 1e6, 1), "rmse": rmse}


def _rmse(squared_errors: Vector) -> float:
    return float(np.sqrt(np.mean(squared_errors)))
