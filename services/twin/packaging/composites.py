"""Regressors made of regressors: each part is converted by itself, and put together as scikit-learn does."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.functions import apply
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder

# Adds a fitted regressor to a graph: `(builder, model, source)` to the name of a double `(n,)`.
Regress = Callable[[GraphBuilder, BaseEstimator, str], str]


def voting(builder: GraphBuilder, model: VotingRegressor, source: str, regress: Regress) -> str:
    """Add the weighted mean of the voters."""
    voters = [part for _, part in model.estimators if part != "drop"]
    weights = np.ones(len(voters))
    if model.weights is not None:
        kept = [part != "drop" for _, part in model.estimators]
        weights = np.asarray(model.weights, np.float64)[np.array(kept)]
    return _mean(builder, [regress(builder, part, source) for part in model.estimators_], weights)


def bagging(builder: GraphBuilder, model: BaggingRegressor, source: str, regress: Regress) -> str:
    """Add the mean of the parts, each on its own columns."""
    answers = [
        regress(builder, part, builder.select(source, np.asarray(columns)))
        for part, columns in zip(model.estimators_, model.estimators_features_, strict=True)
    ]
    return _mean(builder, answers, np.ones(len(answers)))


def adaptive_boosting(builder: GraphBuilder, model: AdaBoostRegressor, source: str, regress: Regress) -> str:
    """Add the median of the parts, weighted by how good each was."""
    weights = np.asarray(model.estimator_weights_[: len(model.estimators_)], np.float64)
    answers = builder.join([_as_column(builder, regress(builder, part, source)) for part in model.estimators_])
    count = builder.constant(np.array([len(weights)], np.int64))
    ascending, order = builder.add_many("TopK", [answers, count], 2, axis=1, largest=0, sorted=1)
    sums = builder.add("CumSum", [builder.add("Gather", [builder.constant(weights), order]), builder.constant(1)])
    # The running sum in this order ends at the same number for every row but for its last bit.
    end = builder.select(sums, np.array([len(weights) - 1]))
    reached = builder.add("GreaterOrEqual", [sums, builder.add("Mul", [end, builder.constant(0.5)])])
    first = builder.add("ArgMax", [builder.add("Cast", [reached], to=TensorProto.INT32)], axis=1, keepdims=1)
    return builder.column(builder.add("GatherElements", [ascending, first], axis=1))


def stacking(builder: GraphBuilder, model: StackingRegressor, source: str, regress: Regress) -> str:
    """Add the parts and the regressor that takes their predictions."""
    answers = [_as_column(builder, regress(builder, part, source)) for part in model.estimators_]
    joined = builder.join([*answers, source] if model.passthrough else answers)
    return regress(builder, model.final_estimator_, joined)


def transformed_target(builder: GraphBuilder, model: TransformedTargetRegressor, source: str, regress: Regress) -> str:
    """Add a regressor and the way back from the target it was fitted on.

    Raises
    ------
    EstimatorUnsupported
        If the way back is neither a scaler's nor one of a few functions.
    """
    value = regress(builder, model.regressor_, source)
    builder.allow(FLOAT_ROUNDING)
    match model.transformer_:
        case StandardScaler() as scaler:
            factor, offset = scaler.scale_ if scaler.with_std else 1.0, scaler.mean_ if scaler.with_mean else 0.0
        case RobustScaler() as scaler:
            factor = scaler.scale_ if scaler.with_scaling else 1.0
            offset = scaler.center_ if scaler.with_centering else 0.0
        case MaxAbsScaler() as scaler:
            factor, offset = scaler.scale_, 0.0
        case MinMaxScaler() as scaler:
            shifted = builder.add("Sub", [value, builder.constant(_number(scaler.min_))])
            return builder.add("Div", [shifted, builder.constant(_number(scaler.scale_))])
        case FunctionTransformer() as function:
            return apply(builder, function.inverse_func, value)
        case other:
            raise EstimatorUnsupported(f"there is no exact way back from a target under {type(other).__name__}")
    scaled = builder.add("Mul", [value, builder.constant(_number(factor))])
    return builder.add("Add", [scaled, builder.constant(_number(offset))])


def _mean(builder: GraphBuilder, answers: Sequence[str], weights: NDArray[np.float64]) -> str:
    joined = builder.join([_as_column(builder, answer) for answer in answers])
    return builder.add("MatMul", [joined, builder.constant(weights / weights.sum())])


def _as_column(builder: GraphBuilder, answer: str) -> str:
    return builder.add("Unsqueeze", [answer, builder.constant(np.array([1], np.int64))])


def _number(value: object) -> float:
    return float(np.asarray(value).item())
