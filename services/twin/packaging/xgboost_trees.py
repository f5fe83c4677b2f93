"""XGBoost: rows and thresholds in float32, `<` instead of `<=`, leaves added in float32.

`x < t` in float32 is `x <= t'` with the float32 just below `t`. Sums of float32 depend on their order, so the leaves
are added in XGBoost's: the base first, then tree by tree. Where trees were dropped in training (booster `dart`) they
carry weights, and XGBoost rounds in a way of its own: half a unit of 2^-23 for each tree is allowed there. That every
row falls into the leaf that XGBoost says is checked apart from that, with `leaf_sum`.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder
from services.twin.packaging.linear import weighted_sum
from services.twin.packaging.trees import LEAF, TreeArrays, as_single, each_tree

_IDENTITY = {
    "reg:squarederror", "reg:absoluteerror", "reg:quantileerror", "reg:pseudohubererror", "reg:squaredlogerror",
    "reg:linear",
}  # fmt: skip
_LOG = {"count:poisson", "reg:gamma", "reg:tweedie"}
_HALF_UNIT = 2.0**-24


class Booster(Protocol):
    """The part of `xgboost.Booster` that is read."""

    save_raw: Callable[[str], bytearray]


@dataclass(frozen=True, slots=True)
class XgbModel:
    """What a booster computes: link(base + sum of leaves), or of weights for a linear booster.

    Parameters
    ----------
    in_order
        Whether XGBoost's sum is that of float32 numbers, the base first, then tree by tree.
    """

    base: float
    logarithmic: bool
    trees: tuple[TreeArrays, ...] = ()
    weights: NDArray[np.float64] | None = None
    in_order: bool = False


def xgboost(builder: GraphBuilder, booster: Booster, source: str) -> str:
    """Add a trained booster.

    Raises
    ------
    EstimatorUnsupported
        If it has categorical splits, another objective than a regression, or predicts several targets.
    """
    model = read_booster(booster)
    if model.weights is not None:
        value = weighted_sum(builder, as_single(builder, source), model.weights, model.base)
    else:
        leaves = each_tree(builder, source, [TreeArrays.leaf(model.base), *model.trees])
        sums = builder.add("CumSum", [leaves, builder.constant(np.array(1, np.int64))])
        last = builder.column(builder.select(sums, np.array([len(model.trees)])))
        value = builder.add("Cast", [last], to=TensorProto.DOUBLE)
    if not model.in_order:
        terms = len(model.trees) if model.weights is None else 2 * len(model.weights)
        builder.allow((terms + 2) * _HALF_UNIT)
    if model.logarithmic:
        builder.allow(2 * FLOAT_ROUNDING)
        return builder.add("Exp", [value])
    return value


def leaf_sum(model: XgbModel, leaves: NDArray[np.int64]) -> NDArray[np.float64]:
    """Predictions of rows of which XGBoost said `(n, t)` into which leaf they fall, added in its order."""
    sums = np.full(len(leaves), model.base, np.float32)
    for tree, column in zip(model.trees, leaves.T, strict=True):
        sums += tree.values[column].astype(np.float32)
    margin = sums.astype(np.float64)
    return np.exp(margin) if model.logarithmic else margin


def read_booster(booster: Booster) -> XgbModel:
    """Read what a booster computes from its own document; raises as `xgboost`."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, parameters = learner["objective"]["name"], learner["learner_model_param"]
    if objective not in _IDENTITY | _LOG:
        raise EstimatorUnsupported(f"XGBoost with the objective {objective!r} has no exact conversion")
    (base, *others) = json.loads(f"[{parameters['base_score'].strip('[]')}]")
    if others or int(parameters.get("num_target", "1")) > 1:
        raise EstimatorUnsupported("a model predicts one target; this XGBoost model predicts several")
    logarithmic = objective in _LOG
    margin = float(np.float32(math.log(base) if logarithmic else base))
    boosted = learner["gradient_booster"]
    if boosted["name"] == "gblinear":
        *weights, bias = boosted["model"]["weights"]
        return XgbModel(margin + bias, logarithmic, weights=np.array(weights, np.float64))
    drops = boosted.get("weight_drop")
    trees = (boosted if drops is None else boosted["gbtree"])["model"]["trees"]
    scales = [1.0] * len(trees) if drops is None else drops
    return XgbModel(margin, logarithmic, tuple(map(_arrays, trees, scales)), in_order=drops is None)


def _arrays(tree: dict[str, Any], scale: float) -> TreeArrays:
    if any(tree["split_type"]):
        raise EstimatorUnsupported("XGBoost with categorical splits has no exact conversion; encode them as numbers")
    left = np.array(tree["left_children"], np.int64)
    conditions = np.array(tree["split_conditions"], np.float32)
    return TreeArrays(
        features=np.array(tree["split_indices"], np.int64),
        thresholds=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        left=left,
        right=np.array(tree["right_children"], np.int64),
        # In a leaf, the condition is what it predicts.
        values=np.where(left == LEAF, conditions.astype(np.float64) * scale, 0.0),
    )
