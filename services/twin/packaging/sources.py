"""The kinds of model that may be handed over, and what each calls the same thing.

LightGBM, XGBoost and PyTorch are never imported for this: a model of theirs brings them along.
"""

import math
import sys
import warnings
from collections.abc import Callable
from enum import Enum, auto
from importlib.metadata import version
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from services.twin.packaging.errors import EstimatorNotFitted, EstimatorUnsupported
from services.twin.packaging.neural import torch_predict
from services.twin.packaging.xgboost_trees import leaf_sum, read_booster
from shared.errors import JSON

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class Kind(Enum):
    """Whose model it is."""

    SCIKIT = auto()
    """scikit-learn's, or anything that follows its interface."""
    LIGHTGBM_BOOSTER = auto()
    LIGHTGBM_REGRESSOR = auto()
    XGBOOST_BOOSTER = auto()
    XGBOOST_REGRESSOR = auto()
    TORCH = auto()


# Exact types but for PyTorch, where every model is a subclass: one of another kind may predict in another way.
_TYPES = {
    ("lightgbm.basic", "Booster"): Kind.LIGHTGBM_BOOSTER,
    ("lightgbm.sklearn", "LGBMRegressor"): Kind.LIGHTGBM_REGRESSOR,
    ("xgboost.core", "Booster"): Kind.XGBOOST_BOOSTER,
    ("xgboost.sklearn", "XGBRegressor"): Kind.XGBOOST_REGRESSOR,
    ("xgboost.sklearn", "XGBRFRegressor"): Kind.XGBOOST_REGRESSOR,
}
_PACKAGES = {
    Kind.LIGHTGBM_BOOSTER: "lightgbm",
    Kind.LIGHTGBM_REGRESSOR: "lightgbm",
    Kind.XGBOOST_BOOSTER: "xgboost",
    Kind.XGBOOST_REGRESSOR: "xgboost",
    Kind.TORCH: "torch",
}
_HOLDS_PIPELINES = (Pipeline, StackingRegressor, TransformedTargetRegressor, VotingRegressor)


def kind_of(model: object) -> Kind:
    """Whose model this is."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return Kind.TORCH
    return _TYPES.get((type(model).__module__, type(model).__qualname__), Kind.SCIKIT)


def unwrap(model: Any) -> Any:
    """The model that a search over parameters found, and any other model itself."""
    while isinstance(model, GridSearchCV | RandomizedSearchCV):
        model = model.best_estimator_
    return model


def final_of(model: Any) -> Any:
    """The regressor at the end of a pipeline, and any other model itself."""
    model = unwrap(model)
    while isinstance(model, Pipeline):
        model = unwrap(model.steps[-1][1])
    return model


def can_refit(model: object) -> bool:
    """Whether the same recipe can be fitted on other rows.

    Boosters and modules do not know how they were trained, and early stopping of XGBoost needs rows that are gone.
    """
    final = final_of(model)
    if kind_of(final) is Kind.XGBOOST_REGRESSOR:
        return final.early_stopping_rounds is None
    return _has_recipe(final)


def _has_recipe(model: object) -> bool:
    return kind_of(model) in {Kind.SCIKIT, Kind.LIGHTGBM_REGRESSOR, Kind.XGBOOST_REGRESSOR}


def check_fitted(model: object) -> None:
    """Refuse what is no regressor, or was never fitted.

    Raises
    ------
    EstimatorUnsupported
        If it does not predict numbers.
    EstimatorNotFitted
        If it was never fitted.
    """
    if not _has_recipe(model):
        return
    if not hasattr(model, "fit") or not hasattr(model, "predict") or is_classifier(model):
        raise EstimatorUnsupported(f"{type(model).__name__} is no regressor")
    check_stage_fitted(model)


def check_stage_fitted(stage: object) -> None:
    """Refuse a regressor or transformer that was never fitted.

    Raises
    ------
    EstimatorNotFitted
        If it has a `fit` that was never called.
    """
    try:
        if hasattr(stage, "fit"):
            check_is_fitted(stage)
    except NotFittedError as error:
        raise EstimatorNotFitted(f"{type(stage).__name__} was never fitted") from error


def feature_count(model: Any) -> int | None:
    """How many features a model takes; `None` if it does not tell, as most modules."""
    match kind_of(model):
        case Kind.LIGHTGBM_BOOSTER:
            return int(model.num_feature())
        case Kind.XGBOOST_BOOSTER:
            return int(model.num_features())
    count = getattr(model, "n_features_in_", getattr(model, "in_features", None))
    return None if count is None else int(count)


def predict(model: Any, rows: Matrix) -> Vector:
    """Predict `(n, f)` rows as the model's owner would; double `(n,)`."""
    match kind_of(model):
        case Kind.TORCH:
            return torch_predict(model, rows)
        case Kind.XGBOOST_BOOSTER:
            answer = model.predict(_xgboost_rows(model, rows))
        case _:
            answer = quietly(model.predict, table(model, rows))
    return np.asarray(answer, np.float64).reshape(-1)


def leaf_predictor(model: Any) -> Callable[[Matrix], Vector] | None:
    """What the leaves into which a row falls add up to in double, for a library that adds them in float32 (XGBoost).

    `None` for every model whose own predictions are as exact.
    """
    if kind_of(model) not in {Kind.XGBOOST_BOOSTER, Kind.XGBOOST_REGRESSOR}:
        return None
    booster = xgboost_booster(model)
    document = read_booster(booster)

    def predict_by_leaves(rows: Matrix) -> Vector:
        leaves = booster.predict(_xgboost_rows(booster, rows), pred_leaf=True)
        return leaf_sum(document, np.asarray(leaves, np.int64).reshape(len(rows), -1))

    return predict_by_leaves if document.trees else None


def xgboost_booster(model: Any) -> Any:
    """The booster of an XGBoost model, cut where early stopping found it best.

    Raises
    ------
    EstimatorUnsupported
        If a number stands for a missing value.
    """
    if kind_of(model) is Kind.XGBOOST_BOOSTER:
        return model
    if not np.isnan(model.missing):
        raise EstimatorUnsupported(f"XGBoost with missing={model.missing!r} has no exact conversion")
    booster = model.get_booster()
    if model.early_stopping_rounds is None:
        return booster
    return booster[: model.best_iteration + 1]


def describe(model: Any) -> dict[str, JSON]:
    """`type`, `library` and `parameters` of the regressor at the end, for a card."""
    final = final_of(model)
    kind = kind_of(final)
    package = _PACKAGES.get(kind)
    library = f"scikit-learn {sklearn.__version__}" if package is None else f"{package} {_version(package)}"
    parameters = final.get_params(deep=False) if _has_recipe(final) else {}
    return {
        "type": type(final).__name__,
        "library": library,
        "parameters": {name: value if _has_json_form(value) else repr(value) for name, value in parameters.items()},
    }


def _has_json_form(value: object) -> bool:
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, bool | int | str | None)


def table(model: Any, rows: Matrix) -> Any:
    """Rows as a model wants them: what holds pipelines and was fitted on a table may choose its columns by name."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or not isinstance(unwrap(model), _HOLDS_PIPELINES):
        return rows
    import pandas as pd  # noqa: PLC0415 (who was fitted on a table has it loaded)

    return pd.DataFrame(rows, columns=names)


def quietly(method: Any, rows: Any) -> Any:
    """Call a method that was fitted on a named table with a plain array, whose column order was checked before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        return method(rows)


def _xgboost_rows(booster: Any, rows: Matrix) -> Any:
    names, kinds = booster.feature_names, booster.feature_types
    return sys.modules["xgboost"].DMatrix(rows, feature_names=names, feature_types=kinds)


def _version(package: str) -> str:
    module = sys.modules[package]
    return str(getattr(module, "__version__", None) or version(package))
