"""Which conversion a model gets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RANSACRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from services.twin.domain.bundle_layout import INPUT, PREDICTION, SPREAD
from services.twin.packaging.boosting import gradient_boosting, hist_gradient_boosting
from services.twin.packaging.composites import adaptive_boosting, bagging, stacking, transformed_target, voting
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.generic import embed
from services.twin.packaging.graph import ConvertedModel, GraphBuilder, assemble
from services.twin.packaging.kernels import kernel_ridge, support_vectors
from services.twin.packaging.lightgbm_trees import lightgbm
from services.twin.packaging.linear import (
    GENERALISED,
    LINEAR,
    always_the_same,
    generalised_linear,
    linear,
    partial_least_squares,
)
from services.twin.packaging.neural import perceptron, torch_module
from services.twin.packaging.sources import (
    Kind,
    check_fitted,
    check_stage_fitted,
    feature_count,
    kind_of,
    unwrap,
    xgboost_booster,
)
from services.twin.packaging.transformers import transform
from services.twin.packaging.trees import (
    TreeArrays,
    as_single,
    forest,
    forest_trees,
    tree_sum,
    trees_output,
)
from services.twin.packaging.xgboost_trees import xgboost
from shared.onnx.manifest import ElementType, Tensor

_Conversion = Callable[[GraphBuilder, Any, str], str]
_Composite = Callable[[GraphBuilder, Any, str, _Conversion], str]
_FORESTS = {RandomForestRegressor, ExtraTreesRegressor}


def convert(
    estimator: object,
    scaler: BaseEstimator | None = None,
    extra: Mapping[str, object] | None = None,
    *,
    features: int | None = None,
) -> ConvertedModel:
    """Convert a fitted model, with the scaler in front of it, into one graph.

    Parameters
    ----------
    estimator
        A regressor or pipeline with scikit-learn's interface, a booster of LightGBM or XGBoost, or a PyTorch module.
    scaler
        A transformer that was applied before `estimator` saw the rows.
    extra
        Further models on the raw rows, by the name of the output that each becomes. A `spread` is never below zero:
        what its model predicts is cut there.
    features
        Columns of the rows, for a model that does not tell, as most PyTorch modules.

    Raises
    ------
    EstimatorUnsupported
        If there is no exact conversion; says for which step.
    EstimatorNotFitted
        If it or the scaler was never fitted.
    """
    others = {} if extra is None else extra
    check_fitted(estimator)
    check_stage_fitted(scaler)
    count = feature_count(estimator if scaler is None else scaler) or features
    if count is None:
        raise EstimatorUnsupported(f"{type(estimator).__name__} does not tell how many features it takes")
    main = GraphBuilder(PREDICTION, count)
    source, final = _before_final(main, estimator, transform(main, scaler, INPUT))
    if type(final) in _FORESTS:
        outputs = forest(main, final, source)
        main.give(outputs.mean, _column(PREDICTION))
        if SPREAD not in others:
            main.give(outputs.spread, _column(SPREAD))
        main.give(outputs.trees, trees_output(final))
    else:
        main.give(_regress(main, final, source), _column(PREDICTION))
    return assemble(count, [main, *(_extra(name, model, count) for name, model in others.items())])


def _extra(name: str, model: object, features: int) -> GraphBuilder:
    check_fitted(model)
    part = GraphBuilder(name, features)
    value = _regress(part, model, INPUT)
    part.give(part.add("Max", [value, part.constant(0.0)]) if name == SPREAD else value, _column(name))
    return part


def _before_final(builder: GraphBuilder, model: Any, source: str) -> tuple[str, Any]:
    """Add what stands before the regressor at the end of a pipeline; returns where that leads, and the regressor."""
    model = unwrap(model)
    while type(model) is Pipeline:
        for _, stage in model.steps[:-1]:
            source = transform(builder, stage, source)
        model = unwrap(model.steps[-1][1])
    return source, model


def _regress(builder: GraphBuilder, model: Any, source: str) -> str:
    """Add any fitted regressor; double `(n,)`."""
    source, model = _before_final(builder, model, source)
    kind = kind_of(model)
    if kind is not Kind.SCIKIT:
        return _OTHERS[kind](builder, model, source)
    # Exact types: a subclass may predict in another way.
    if (conversion := _CONVERSIONS.get(type(model))) is not None:
        return conversion(builder, model, source)
    if (composite := _COMPOSITES.get(type(model))) is not None:
        return composite(builder, model, source, _regress)
    answer = embed(builder, model, source)
    return builder.add("Reshape", [answer, builder.constant(np.array([-1], np.int64))])


def _lightgbm_regressor(builder: GraphBuilder, model: Any, source: str) -> str:
    return lightgbm(builder, model.booster_, source)


def _xgboost_model(builder: GraphBuilder, model: Any, source: str) -> str:
    return xgboost(builder, xgboost_booster(model), source)


def _nested_forest(builder: GraphBuilder, model: RandomForestRegressor, source: str) -> str:
    total = tree_sum(builder, as_single(builder, source), forest_trees(model))
    return builder.add("Div", [total, builder.constant(float(len(model.estimators_)))])


def _tree(builder: GraphBuilder, model: DecisionTreeRegressor, source: str) -> str:
    return tree_sum(builder, as_single(builder, source), [TreeArrays.of(model.tree_)])


def _inliers_only(builder: GraphBuilder, model: RANSACRegressor, source: str) -> str:
    return _regress(builder, model.estimator_, source)


def _column(name: str) -> Tensor:
    return Tensor(name, ElementType.FLOAT64, (None,))


_OTHERS: dict[Kind, _Conversion] = {
    Kind.LIGHTGBM_BOOSTER: lightgbm,
    Kind.LIGHTGBM_REGRESSOR: _lightgbm_regressor,
    Kind.TORCH: torch_module,
    Kind.XGBOOST_BOOSTER: _xgboost_model,
    Kind.XGBOOST_REGRESSOR: _xgboost_model,
}
_CONVERSIONS: dict[type, _Conversion] = {
    **dict.fromkeys(LINEAR, linear),
    **dict.fromkeys(GENERALISED, generalised_linear),
    **dict.fromkeys((RandomForestRegressor, ExtraTreesRegressor), _nested_forest),
    **dict.fromkeys((DecisionTreeRegressor, ExtraTreeRegressor), _tree),
    **dict.fromkeys((SVR, NuSVR), support_vectors),
    DummyRegressor: always_the_same,
    GradientBoostingRegressor: gradient_boosting,
    HistGradientBoostingRegressor: hist_gradient_boosting,
    KernelRidge: kernel_ridge,
    MLPRegressor: perceptron,
    PLSRegression: partial_least_squares,
    RANSACRegressor: _inliers_only,
}
_COMPOSITES: dict[type, _Composite] = {
    AdaBoostRegressor: adaptive_boosting,
    BaggingRegressor: bagging,
    StackingRegressor: stacking,
    TransformedTargetRegressor: transformed_target,
    VotingRegressor: voting,
}
