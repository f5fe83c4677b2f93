"""A smaller model for a small loss: fewer and pruned trees, or weights in fewer bits, within a stated budget of error.

What is slimmed is the recipe, not the bundle: the slim model is proved exact, calibrated and judged like any other, on
its own errors.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.model_selection import train_test_split

from services.twin.domain.bundle_layout import PREDICTION
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.graph import ConvertedModel
from services.twin.packaging.reference import Reference
from services.twin.packaging.slim_trees import has_trees, smaller_recipes, with_parameters
from services.twin.packaging.training_data import TrainingData
from services.twin.packaging.weights import WeightType, is_network, round_weights, store_short
from shared.errors import JSON
from shared.onnx.session import OnnxSession

_JUDGING_SHARE = 0.2
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
    def of(cls, document: Mapping[str, JSON]) -> Self:
        """Read `{"budget": 0.02}`.

        Raises
        ------
        DataUnusable
            If there is anything else in it, or the budget is not between 0 and 1.
        """
        budget = document.get("budget")
        if set(document) != {"budget"} or isinstance(budget, bool) or not isinstance(budget, int | float):
            raise DataUnusable("slim takes one member, budget: the allowed rise of the error, such as 0.02")
        if not 0.0 <= budget < 1.0:
            raise DataUnusable(f"the budget of slim is a share from 0 to 1, not {budget!r}")
        return cls(float(budget))


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
        What the model was fitted on: a fifth of it judges smaller recipes fitted on the others.
    held_back
        Rows that the model never saw; they judge a model that cannot be fitted again.

    Raises
    ------
    DataUnusable
        If the model has neither trees nor weights to save on, or no unseen rows.
    """
    if not (is_network(reference) or (has_trees(reference) and reference.can_refit)):
        raise DataUnusable("slim takes forests, boosted trees and networks; this model has nothing to leave out")
    if reference.can_refit:
        seen, unseen = train_test_split(np.arange(len(data.rows)), test_size=_JUDGING_SHARE, random_state=_SEED)
        fitting, judging = data.part(seen), data.part(unseen)
        judged = reference.refit(fitting.rows, fitting.target)
    elif held_back is not None:
        fitting, judging, judged = data, held_back, reference
    else:
        raise DataUnusable("a model that cannot be fitted again is slimmed on calibration=(X, y)")
    full_rmse = _rmse(judged, judging)
    limit = (1.0 + budget.rmse_rise) * full_rmse
    if is_network(reference):
        choice = _fewer_bits(reference, judged, judging, limit)
    else:
        choice = _fewer_trees(reference, data, fitting, judging, limit)
    if choice is None:
        choice = _Choice(reference, _as_it_is, {}, full_rmse)
    features = data.rows.shape[1]
    return Slimmed(
        choice.reference,
        choice.store,
        {
            "budget": budget.rmse_rise,
            "judged_rows": len(judging.rows),
            "how": choice.how,
            "before": _costs(_as_it_is(_converted(reference, features)), data, full_rmse),
            "after": _costs(choice.store(_converted(choice.reference, features)), data, choice.rmse),
            "rmse_rise": choice.rmse / full_rmse - 1.0 if full_rmse > 0 else 0.0,
        },
    )


def _fewer_bits(reference: Reference, judged: Reference, judging: TrainingData, limit: float) -> _Choice | None:
    for weight_type in WeightType:
        rmse = _rmse(round_weights(judged, weight_type), judging)
        if rmse <= limit:
            how: dict[str, JSON] = {"weights": weight_type.value}
            return _Choice(round_weights(reference, weight_type), store_short, how, rmse)
    return None


def _fewer_trees(
    reference: Reference, data: TrainingData, fitting: TrainingData, judging: TrainingData, limit: float
) -> _Choice | None:
    within = [recipe for recipe in smaller_recipes(reference, fitting, judging) if recipe.rmse <= limit]
    if not within:
        return None
    smallest = min(within, key=lambda recipe: recipe.size)
    model = with_parameters(reference, smallest.parameters).refit(data.rows, data.target)
    return _Choice(model, _as_it_is, dict(smallest.parameters), smallest.rmse)


def _converted(reference: Reference, features: int) -> ConvertedModel:
    return convert(reference.estimator, reference.scaler, features=features)


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


def _rmse(reference: Reference, data: TrainingData) -> float:
    return float(np.sqrt(np.mean(np.square(data.target - reference.predict(data.rows)))))
