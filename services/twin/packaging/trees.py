"""Trees as one `TreeEnsemble` node: forests with one output per tree, boosted trees as their sum.

scikit-learn casts a row to float32 and compares it with a double threshold: `float32(x) <= t`. A graph that compares
in float32 must hold the largest float32 that is not above `t`: then both comparisons agree for every float32 `x`.
Rounding to nearest, which other converters do, moves thresholds up past values that sensors with a coarse grid
really send (scikit-learn issue 14747).

Forests that are served by themselves keep thresholds and leaves in float32, for half the size. Everything else keeps
both in double, as the libraries do: a sum of hundreds of leaves then has nothing to lose, and rows in double are
compared in double.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree._tree import Tree  # the type of `DecisionTreeRegressor.tree_`, which has no public name

from services.twin.domain.bundle_layout import TREES
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, ML_DOMAIN, GraphBuilder
from shared.onnx.manifest import ElementType, Tensor

Forest: TypeAlias = RandomForestRegressor | ExtraTreesRegressor
Real: TypeAlias = type[np.float32] | type[np.float64]

_SUM = 1
_NO_POST_TRANSFORM = 0
_LESS_OR_EQUAL = 0
# ONNX Runtime takes twice as long to load 3.6 million nodes in one operator as in ten; a row costs 10 µs more.
_GROUP_NODES = 400_000

LEAF = -1


@dataclass(frozen=True, slots=True)
class TreeArrays:
    """A tree whose rows go left if `row[feature] <= threshold`; each array `(n,)`, the root first.

    Parameters
    ----------
    left, right
        Numbers of the children; -1 for a leaf.
    values
        What a leaf predicts; ignored for inner nodes.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def leaf(cls, value: float) -> "TreeArrays":
        """A tree that always predicts the same."""
        return cls(np.zeros(1, np.int64), np.zeros(1), np.array([LEAF]), np.array([LEAF]), np.array([value]))

    @classmethod
    def of(cls, tree: Tree, *, scale: float = 1.0) -> "TreeArrays":
        """The tree of a fitted scikit-learn estimator.

        Parameters
        ----------
        scale
            Multiplies what the leaves predict.

        Raises
        ------
        EstimatorUnsupported
            If it predicts more than one target.
        """
        if tree.n_outputs != 1:
            raise EstimatorUnsupported(f"a model predicts one target; this one was fitted on {tree.n_outputs}")
        return cls(tree.feature, tree.threshold, tree.children_left, tree.children_right, scale * tree.value[:, 0, 0])


@dataclass(frozen=True, slots=True)
class ForestOutputs:
    """Names of the tensors a forest gives, each double `(n,)` but the trees, float32 `(n, t)`."""

    mean: str
    spread: str
    trees: str


def round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each threshold.

    Examples
    --------
    >>> round_down(np.array([0.5, 0.1])).astype(float) <= np.array([0.5, 0.1])
    array([ True,  True])
    """
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def forest(builder: GraphBuilder, model: Forest, source: str) -> ForestOutputs:
    """Add every tree's own output, their mean and their spread (standard deviation).

    Raises
    ------
    EstimatorUnsupported
        If the forest predicts more than one target.
    """
    trees = each_tree(builder, source, forest_trees(model))
    builder.allow(FLOAT_ROUNDING)
    axis = builder.constant(np.array([1], np.int64))
    # Mean and spread are taken in double: the leaves are rounded once, and nothing is lost after that.
    each = builder.add("Cast", [trees], to=TensorProto.DOUBLE)
    mean = builder.add("ReduceMean", [each, axis], keepdims=1)
    deviation = builder.add("Sub", [each, mean])
    variance = builder.add("ReduceMean", [builder.add("Mul", [deviation, deviation]), axis], keepdims=0)
    return ForestOutputs(builder.add("Squeeze", [mean, axis]), builder.add("Sqrt", [variance]), trees)


def forest_trees(model: Forest) -> list[TreeArrays]:
    """The trees of a fitted forest; raises as `TreeArrays.of`."""
    return [TreeArrays.of(tree.tree_) for tree in model.estimators_]


def trees_output(model: Forest) -> Tensor:
    """What a graph states of the output with every tree's own prediction."""
    return Tensor(TREES, ElementType.FLOAT32, (None, len(model.estimators_)))


def each_tree(builder: GraphBuilder, source: str, trees: Sequence[TreeArrays]) -> str:
    """Add what each tree predicts, compared and kept in float32; float32 `(n, t)`."""
    single = builder.add("Cast", [source], to=TensorProto.FLOAT)
    return builder.join(
        [_ensemble(builder, source, single, group, np.float32, targets=len(group)) for group in _groups(trees)]
    )


def tree_sum(builder: GraphBuilder, source: str, trees: Sequence[TreeArrays]) -> str:
    """Add the sum of what the trees predict, compared and added in double; double `(n,)`."""
    sums = [_ensemble(builder, source, source, group, np.float64, targets=1) for group in _groups(trees)]
    return builder.column(builder.add("Sum", sums) if len(sums) > 1 else sums[0])


def as_single(builder: GraphBuilder, source: str) -> str:
    """Round a tensor to float32, as libraries do that keep rows in float32, and go on in double."""
    rounded = builder.add("Cast", [source], to=TensorProto.FLOAT)
    result = builder.add("Cast", [rounded], to=TensorProto.DOUBLE)
    if (origins := builder.origins(source)) is not None:
        builder.set_origins(result, origins)
    return result


def _groups(trees: Sequence[TreeArrays]) -> Iterator[list[TreeArrays]]:
    """Trees that go into one node of the graph together: as many as stay under the limit, at least one."""
    group: list[TreeArrays] = []
    size = 0
    for tree in trees:
        if group and size + len(tree.features) > _GROUP_NODES:
            yield group
            group, size = [], 0
        group.append(tree)
        size += len(tree.features)
    yield group


def _ensemble(
    builder: GraphBuilder, origin: str, rows: str, trees: Sequence[TreeArrays], real: Real, *, targets: int
) -> str:
    nodes = _Nodes(real)
    for number, tree in enumerate(trees):
        nodes.add(tree, number % targets)
        inner = tree.left != LEAF
        builder.cut(origin, tree.features[inner].astype(np.int64), tree.thresholds[inner])
    return builder.add("TreeEnsemble", [rows], domain=ML_DOMAIN, **nodes.attributes(targets))


@dataclass(slots=True)
class _Nodes:
    """The inner nodes and leaves of all trees, numbered through."""

    real: Real
    features: list[NDArray[np.int64]] = field(default_factory=list)
    thresholds: list[NDArray[Any]] = field(default_factory=list)
    children: list[NDArray[np.int64]] = field(default_factory=list)
    child_is_leaf: list[NDArray[np.int64]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    leaf_targets: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_values: list[NDArray[Any]] = field(default_factory=list)
    inner_count: int = 0
    leaf_count: int = 0

    def add(self, tree: TreeArrays, target: int) -> None:
        """Append one tree whose output goes to column `target`."""
        children = np.stack([tree.left, tree.right], axis=1)
        features, thresholds, values = tree.features, tree.thresholds, tree.values
        if len(features) == 1:
            # A tree that never split has no inner node, and the operator wants one: both ways lead to its leaf.
            children = np.array([[1, 1], [LEAF, LEAF]])
            features, thresholds, values = np.zeros(2, np.int64), np.zeros(2), np.repeat(values, 2)
        inner = children[:, 0] != LEAF
        number = np.where(inner, self.inner_count + np.cumsum(inner) - 1, self.leaf_count + np.cumsum(~inner) - 1)
        self.roots.append(self.inner_count)
        self.features.append(features[inner].astype(np.int64))
        self.thresholds.append(round_down(thresholds[inner]) if self.real is np.float32 else thresholds[inner])
        self.children.append(number[children[inner]])
        self.child_is_leaf.append((~inner)[children[inner]].astype(np.int64))
        leaves = int(np.sum(~inner))
        self.leaf_targets.append(np.full(leaves, target, np.int64))
        self.leaf_values.append(values[~inner].astype(self.real))
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
            "nodes_splits": numpy_helper.from_array(np.concatenate(self.thresholds), "nodes_splits"),
            "nodes_modes": numpy_helper.from_array(np.full(self.inner_count, _LESS_OR_EQUAL, np.uint8), "nodes_modes"),
            "nodes_truenodeids": children[:, 0].tolist(),
            "nodes_trueleafs": child_is_leaf[:, 0].tolist(),
            "nodes_falsenodeids": children[:, 1].tolist(),
            "nodes_falseleafs": child_is_leaf[:, 1].tolist(),
            "leaf_targetids": np.concatenate(self.leaf_targets).tolist(),
            "leaf_weights": numpy_helper.from_array(np.concatenate(self.leaf_values), "leaf_weights"),
        }
