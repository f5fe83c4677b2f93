"""Models whose prediction is a weighted sum of the features, with or without a link: one product in double."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeCV,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.svm import LinearSVR

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder

LINEAR: tuple[type[BaseEstimator], ...] = (
    ARDRegression, BayesianRidge, ElasticNet, ElasticNetCV, HuberRegressor, Lars, LarsCV, Lasso, LassoCV, LassoLars,
    LassoLarsCV, LassoLarsIC, LinearRegression, LinearSVR, OrthogonalMatchingPursuit, OrthogonalMatchingPursuitCV,
    QuantileRegressor, Ridge, RidgeCV, SGDRegressor, TheilSenRegressor,
)  # fmt: skip
GENERALISED: tuple[type[BaseEstimator], ...] = (GammaRegressor, PoissonRegressor, TweedieRegressor)
ONE_TARGET = "a model predicts one target; this one was fitted on several"


def weighted_sum(builder: GraphBuilder, source: str, weights: NDArray[np.float64], offset: float) -> str:
    """Add `rows @ weights + offset`; double `(n,)`."""
    builder.allow(FLOAT_ROUNDING)
    return builder.add("Add", [builder.add("MatMul", [source, builder.constant(weights)]), builder.constant(offset)])


def linear(builder: GraphBuilder, model: BaseEstimator, source: str) -> str:
    """Add a fitted model, one of `LINEAR`.

    Raises
    ------
    EstimatorUnsupported
        If it predicts more than one target.
    """
    weights, offset = np.asarray(model.coef_, np.float64), np.asarray(model.intercept_, np.float64)
    if offset.size != 1 or (weights.ndim == 2 and len(weights) != 1):
        raise EstimatorUnsupported(ONE_TARGET)
    return weighted_sum(builder, source, weights.reshape(-1), float(offset.reshape(())))


def generalised_linear(builder: GraphBuilder, model: BaseEstimator, source: str) -> str:
    """Add a fitted model, one of `GENERALISED`."""
    value = linear(builder, model, source)
    if isinstance(model, TweedieRegressor) and (
        model.link == "identity" or (model.link == "auto" and model.power <= 0)
    ):
        return value
    return builder.add("Exp", [value])


def partial_least_squares(builder: GraphBuilder, model: PLSRegression, source: str) -> str:
    """Add a fitted projection model; raises as `linear`."""
    if len(model.coef_) != 1:
        raise EstimatorUnsupported(ONE_TARGET)
    weights = np.asarray(model.coef_[0], np.float64)
    # The model subtracts the means of its training rows first: what it says of zeros holds them already.
    return weighted_sum(builder, source, weights, float(model.predict(np.zeros((1, len(weights)))).item()))


def always_the_same(builder: GraphBuilder, model: DummyRegressor, source: str) -> str:
    """Add a model that ignores its features; raises as `linear`."""
    if np.size(model.constant_) != 1:
        raise EstimatorUnsupported(ONE_TARGET)
    first = builder.column(builder.select(source, np.array([0])))
    nothing = builder.add("Mul", [first, builder.constant(0.0)])
    return builder.add("Add", [nothing, builder.constant(float(np.asarray(model.constant_).item()))])
