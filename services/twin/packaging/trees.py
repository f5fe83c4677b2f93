"""Forests as one `TreeEnsemble` node with one output per tree, exact to the rounding of float32.

scikit-learn casts a row to float32 and compares it with a double threshold: `float32(x) <= t`. A graph that compares
in float32 must hold the largest float32 that is not above `t`: then both comparisons agree for every float32 `x`.
Rounding to nearest, which other converters do, moves thresholds up past values that sensors with a coarse grid
really send (scikit-learn issue 14747).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree  # the type of `DecisionTreeRegressor.tree_`, which has no public name

from services.twin.domain.bundle_layout import PREDICTION, SPREAD, TREES
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import SCALED, Body, constant
from shared.onnx.manifest import ElementType, Tensor

Forest: TypeAlias = RandomForestRegressor | ExtraTreesRegressor

_SUM = 1
_NO_POST_TRANSFORM = 0
_LESS_OR_EQUAL = 0


def round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each threshold.

    Examples
    --------
    >>> round_down(np.array([0.5, 0.1])).astype(float) <= np.array([0.5, 0.1])
    array([ True,  True])
    """
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def forest_body(forest: Forest) -> Body:
    """Nodes that give every tree's own output, their mean and their spread (standard deviation).

    Raises
    ------
    EstimatorUnsupported
        If the forest predicts more than one target.
    """
    trees: Sequence[DecisionTreeRegressor] = forest.estimators_
    if forest.n_outputs_ != 1:
        raise EstimatorUnsupported(f"a model predicts one target; this one was fitted on {forest.n_outputs_}")
    nodes = _Nodes()
    for target, tree in enumerate(trees):
        nodes.add(tree.tree_, target)
    count = len(trees)
    # Mean and spread are taken in double: the leaves are rounded once, and nothing is lost after that.
    return Body(
        nodes=[
            helper.make_node("Cast", [SCALED], ["scaled32"], to=TensorProto.FLOAT),
            helper.make_node("TreeEnsemble", ["scaled32"], [TREES], domain="ai.onnx.ml", **nodes.attributes(count)),
            helper.make_node("Cast", [TREES], ["trees64"], to=TensorProto.DOUBLE),
            helper.make_node("ReduceMean", ["trees64", "tree_axis"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["trees64", "mean"], ["deviation"]),
            helper.make_node("Mul", ["deviation", "deviation"], ["squared"]),
            helper.make_node("ReduceMean", ["squared", "tree_axis"], ["variance"], keepdims=0),
            helper.make_node("Sqrt", ["variance"], [SPREAD]),
            helper.make_node("Squeeze", ["mean", "tree_axis"], [PREDICTION]),
        ],
        initializers=[constant("tree_axis", np.array([1], np.int64))],
        outputs=[
            Tensor(PREDICTION, ElementType.FLOAT64, (None,)),
            Tensor(SPREAD, ElementType.FLOAT64, (None,)),
            Tensor(TREES, ElementType.FLOAT32, (None, count)),
        ],
    )


@dataclass(slots=True)
class _Nodes:
    """The inner nodes and leaves of all trees, numbered through."""

    features: list[NDArray[np.int64]] = field(default_factory=list)
    thresholds: list[NDArray[np.float32]] = field(default_factory=list)
    children: list[NDArray[np.int64]] = field(default_factory=list)
    child_is_leaf: list[NDArray[np.int64]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    leaf_targets: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_values: list[NDArray[np.float32]] = field(default_factory=list)
    inner_count: int = 0
    leaf_count: int = 0

    def add(self, tree: Tree, target: int) -> None:
        """Append one tree whose output goes to column `target`."""
        children = np.stack([tree.children_left, tree.children_right], axis=1)
        features, thresholds, values = tree.feature, tree.threshold, tree.value[:, 0, 0]
        if tree.node_count == 1:
            # A tree that never split has no inner node, and the operator wants one: both ways lead to its leaf.
            children = np.array([[1, 1], [-1, -1]])
            features, thresholds, values = np.array([0, -2]), np.zeros(2), np.repeat(values, 2)
        inner = children[:, 0] >= 0
        number = np.where(inner, self.inner_count + np.cumsum(inner) - 1, self.leaf_count + np.cumsum(~inner) - 1)
        self.roots.append(self.inner_count)
        self.features.append(features[inner].astype(np.int64))
        self.thresholds.append(round_down(thresholds[inner]))
        self.children.append(number[children[inner]])
        self.child_is_leaf.append((~inner)[children[inner]].astype(np.int64))
        leaves = int(np.sum(~inner))
        self.leaf_targets.append(np.full(leaves, target, np.int64))
        self.leaf_values.append(values[~inner].astype(np.float32))
        self.inner_count += len(inner) - leaves
        self.leaf_count += leaves

    def attributes(self, targets: int) -> dict[str, Any]:  # what `make_node` takes: integers, lists of them, tensors
        """The attributes of a `TreeEnsemble` node (ONNX operators, ai.onnx.ml version 5)."""
        children, child_is_leaf = np.concatenate(self.children), np.concatenate(self.child_is_leaf)
        return {
            "n_targets": targets,
            "aggregate_function": _SUM,
            "post_transform": _NO_POST_TRANSFORM,
            "tree_roots": self.roots,
            "nodes_featureids": np.concatenate(self.features).tolist(),
            "nodes_splits": constant("nodes_splits", np.concatenate(self.thresholds)),
            "nodes_modes": constant("nodes_modes", np.full(self.inner_count, _LESS_OR_EQUAL, np.uint8)),
            "nodes_truenodeids": children[:, 0].tolist(),
            "nodes_trueleafs": child_is_leaf[:, 0].tolist(),
            "nodes_falsenodeids": children[:, 1].tolist(),
            "nodes_falseleafs": child_is_leaf[:, 1].tolist(),
            "leaf_targetids": np.concatenate(self.leaf_targets).tolist(),
            "leaf_weights": constant("leaf_weights", np.concatenate(self.leaf_values)),
        }
