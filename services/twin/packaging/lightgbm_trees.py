"""LightGBM: rows and thresholds in double, leaves added in double.

LightGBM itself is imported by nobody here: a model that was handed over brings it along.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder
from services.twin.packaging.trees import LEAF, TreeArrays, tree_sum

_IDENTITY = {"regression", "regression_l1", "huber", "fair", "quantile", "mape"}
_LOG = {"poisson", "gamma", "tweedie"}
# `kZeroThreshold` of its sources: a float32.
_ZERO = float(np.float32(1e-35))


class Booster(Protocol):
    """The part of `lightgbm.Booster` that is read."""

    dump_model: Callable[[], Mapping[str, Any]]


def lightgbm(builder: GraphBuilder, booster: Booster, source: str) -> str:
    """Add a trained booster.

    Raises
    ------
    EstimatorUnsupported
        If it has categorical splits, linear leaves, takes zeros as missing, or predicts no single number.
    """
    model = booster.dump_model()
    if model["num_tree_per_iteration"] != 1:
        raise EstimatorUnsupported("a model predicts one target; this LightGBM model predicts several")
    # The objective's parameters follow its name. A home-made one leaves the raw sum as it is.
    name, *options = model.get("objective", "regression").split(" ")
    if name not in _IDENTITY | _LOG | {"custom"}:
        raise EstimatorUnsupported(f"LightGBM with the objective {name!r} has no exact conversion")
    infos = model["tree_info"]
    count = len(infos) if model["average_output"] else 1
    value = builder.add(
        "Div",
        [
            tree_sum(builder, source, [_arrays(info["tree_structure"]) for info in infos]),
            builder.constant(float(count)),
        ],
    )
    if "sqrt" in options:
        builder.allow(FLOAT_ROUNDING)
        return builder.add("Mul", [value, builder.add("Abs", [value])])
    if name in _LOG:
        builder.allow(FLOAT_ROUNDING)
        return builder.add("Exp", [value])
    return value


def _arrays(structure: Mapping[str, Any]) -> TreeArrays:
    """A tree from its nested description, nodes numbered in the order they are met."""
    features, thresholds, left, right, values = [0], [0.0], [LEAF], [LEAF], [0.0]
    waiting = [(structure, 0)]
    while waiting:
        node, number = waiting.pop()
        if "split_feature" not in node:
            _check_leaf(node)
            values[number] = float(node["leaf_value"])
            continue
        features[number], thresholds[number] = int(node["split_feature"]), _threshold(node)
        left[number], right[number] = len(features), len(features) + 1
        for child in (node["left_child"], node["right_child"]):
            waiting.append((child, len(features)))
            features.append(0)
            thresholds.append(0.0)
            left.append(LEAF)
            right.append(LEAF)
            values.append(0.0)
    return TreeArrays(np.array(features), np.array(thresholds), np.array(left), np.array(right), np.array(values))


def _check_leaf(node: Mapping[str, Any]) -> None:
    if node.get("leaf_features"):
        raise EstimatorUnsupported("LightGBM with linear_tree=True has no exact conversion")


def _threshold(node: Mapping[str, Any]) -> float:
    if node["decision_type"] != "<=":
        raise EstimatorUnsupported("LightGBM with categorical splits has no exact conversion; encode them as numbers")
    if node["missing_type"] == "Zero":
        raise EstimatorUnsupported("LightGBM with zero_as_missing=True has no exact conversion")
    return _beyond_zero(float(node["threshold"]))


def _beyond_zero(threshold: float) -> float:
    """LightGBM takes a value this close to zero for zero, and puts thresholds right there: move them outside."""
    if -_ZERO <= threshold < 0.0:
        return math.nextafter(-_ZERO, -math.inf)
    return _ZERO if 0.0 <= threshold <= _ZERO else threshold
