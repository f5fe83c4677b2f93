"""Grow an isolation forest with scikit-learn and put its trees into plain tables."""

import numpy as np
from sklearn.ensemble import IsolationForest

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.isolation_forest import Forest
from services.anomaly.domain.options.statistical import IsolationForestOptions
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scaling import Scaling


def fit_forest(normal: Runs, scaling: Scaling, options: IsolationForestOptions) -> Forest:
    """Grow the trees on the causal means of scaled rows.

    References
    ----------
    .. [1] Liu, Ting & Zhou (2008), Isolation Forest, ICDM
    """
    points = Runs(scaling.apply(normal.rows), normal.starts).causal_mean(options.smoothing_rows)
    grown = IsolationForest(
        n_estimators=options.trees,
        max_samples=min(options.rows_per_tree, len(points)),
        random_state=options.seed,
    ).fit(points)
    return forest_tables(grown, points)


def forest_tables(grown: IsolationForest, points: Floats) -> Forest:
    """The trees of a forest that was fitted on `(n, c)` points, filled up to the longest."""
    trees = [tree.tree_ for tree in grown.estimators_]
    nodes = max(tree.node_count for tree in trees)

    def table(name: str, filler: float) -> Floats:
        rows = np.full((len(trees), nodes), filler)
        for row, tree in zip(rows, trees, strict=True):
            row[: tree.node_count] = getattr(tree, name)
        return rows

    return Forest(
        # A leaf has -2 for its sensor and -1 for what hangs from it.
        sensor=np.maximum(table("feature", -1.0), -1.0).astype(np.int32),
        cut=table("threshold", 0.0),
        left=np.maximum(table("children_left", 0.0), 0.0).astype(np.int32),
        right=np.maximum(table("children_right", 0.0), 0.0).astype(np.int32),
        rows=table("n_node_samples", 1.0).astype(np.int32),
        low=points.min(axis=0),
        high=points.max(axis=0),
        depth=max(tree.max_depth for tree in trees),
    )
