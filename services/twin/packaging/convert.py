"""Which conversion an estimator gets."""

from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import BayesianRidge, ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.utils.validation import check_is_fitted

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import Body, ConvertedModel, assemble
from services.twin.packaging.linear import linear_body
from services.twin.packaging.scaling import split_pipeline
from services.twin.packaging.trees import forest_body

_LINEAR = (LinearRegression, Ridge, Lasso, ElasticNet, BayesianRidge, HuberRegressor)
_SUPPORTED = ["RandomForestRegressor", "ExtraTreesRegressor", *(kind.__name__ for kind in _LINEAR)]


def convert(estimator: BaseEstimator, scaler: BaseEstimator | None) -> ConvertedModel:
    """Convert a fitted regressor, with the scaler in front of it, into one graph.

    Raises
    ------
    EstimatorUnsupported
        If there is no exact conversion.
    sklearn.exceptions.NotFittedError
        If it was never fitted.
    """
    check_is_fitted(estimator)
    steps, final = split_pipeline(estimator, scaler)
    return assemble(int(final.n_features_in_), steps, _body(final))


def _body(estimator: BaseEstimator) -> Body:
    # Exact types: a subclass may predict in another way.
    if type(estimator) in {RandomForestRegressor, ExtraTreesRegressor}:
        return forest_body(estimator)
    if type(estimator) in _LINEAR:
        return linear_body(estimator.coef_, estimator.intercept_)
    raise EstimatorUnsupported(f"there is no exact conversion for {type(estimator).__name__}", supported=_SUPPORTED)
