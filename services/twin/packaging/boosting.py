"""scikit-learn's boosted trees: a first guess plus a sum of leaves, all in double."""

import numpy as np
from sklearn._loss.link import IdentityLink, LogLink
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder
from services.twin.packaging.trees import LEAF, TreeArrays, as_single, tree_sum


def gradient_boosting(builder: GraphBuilder, model: GradientBoostingRegressor, source: str) -> str:
    """Add boosted trees that compare a row in float32 with thresholds in double.

    Raises
    ------
    EstimatorUnsupported
        If the first guess is a model of its own.
    """
    trees = [TreeArrays.of(tree.tree_, scale=model.learning_rate) for tree in model.estimators_[:, 0]]
    match model.init_:
        case "zero":
            first = 0.0
        case DummyRegressor():
            first = float(np.asarray(model.init_.constant_).item())
        case _:
            raise EstimatorUnsupported("GradientBoostingRegressor with an estimator as init has no exact conversion")
    return builder.add("Add", [tree_sum(builder, as_single(builder, source), trees), builder.constant(first)])


def hist_gradient_boosting(builder: GraphBuilder, model: HistGradientBoostingRegressor, source: str) -> str:
    """Add boosted trees that compare rows in double with thresholds in double.

    Rows are finite when they reach a model, so the way that missing values would go plays no part.

    Raises
    ------
    EstimatorUnsupported
        If a feature is categorical, or the loss has an unknown link.
    """
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        raise EstimatorUnsupported(
            "HistGradientBoostingRegressor with categorical features has no exact conversion; encode them as numbers"
        )
    # What a loss does to the raw sum, and the fitted trees, have no public names.
    trees = [_arrays(predictor.nodes) for (predictor,) in model._predictors]  # noqa: SLF001
    baseline = float(np.asarray(model._baseline_prediction).item())  # noqa: SLF001
    value = builder.add("Add", [tree_sum(builder, source, trees), builder.constant(baseline)])
    match model._loss.link:  # noqa: SLF001
        case IdentityLink():
            return value
        case LogLink():
            builder.allow(FLOAT_ROUNDING)
            return builder.add("Exp", [value])
        case link:
            raise EstimatorUnsupported(f"HistGradientBoostingRegressor with the link {type(link).__name__}")


def _arrays(nodes: np.ndarray) -> TreeArrays:
    leaf = nodes["is_leaf"].astype(bool)
    return TreeArrays(
        features=nodes["feature_idx"].astype(np.int64),
        thresholds=nodes["num_threshold"].astype(np.float64),
        left=np.where(leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(leaf, LEAF, nodes["right"].astype(np.int64)),
        values=nodes["value"].astype(np.float64),
    )
