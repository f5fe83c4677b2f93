"""What may stand before a regressor: scalers bit by bit, well-known transformers by hand, the rest through skl2onnx."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, PowerTransformer

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.functions import apply
from services.twin.packaging.generic import embed
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder
from services.twin.packaging.scaling import SCALERS, scale

PASS_THROUGH = (None, "passthrough")


def transform(builder: GraphBuilder, stage: BaseEstimator | str | None, source: str) -> str:
    """Add what a fitted transformer does to a row.

    Raises
    ------
    EstimatorUnsupported
        If there is no conversion; names the transformer.
    """
    if stage in PASS_THROUGH or _does_nothing(stage):
        return source
    # Exact types: a subclass may do something else.
    if (conversion := _CONVERSIONS.get(type(stage))) is not None:
        return conversion(builder, stage, source)
    if isinstance(stage, SelectorMixin):
        return builder.select(source, stage.get_support(indices=True))
    if not hasattr(stage, "transform"):
        raise EstimatorUnsupported(f"{type(stage).__name__} does not transform rows")
    return embed(builder, stage, source)


def _does_nothing(stage: BaseEstimator) -> bool:
    """Whether finite rows pass unchanged."""
    if not isinstance(stage, SimpleImputer) or stage.add_indicator:
        return False
    missing = stage.missing_values
    return isinstance(missing, float) and np.isnan(missing) and not np.any(np.isnan(stage.statistics_))


def _pipeline(builder: GraphBuilder, stage: Pipeline, source: str) -> str:
    for _, part in stage.steps:
        source = transform(builder, part, source)
    return source


def _function(builder: GraphBuilder, stage: FunctionTransformer, source: str) -> str:
    if stage.kw_args:
        raise EstimatorUnsupported("FunctionTransformer with kw_args has no exact conversion")
    return apply(builder, stage.func, source)


def _columns(builder: GraphBuilder, stage: ColumnTransformer, source: str) -> str:
    parts = []
    for _, part, columns in stage.transformers_:
        indices = _indices(columns, stage)
        if len(indices) and part != "drop":
            parts.append(transform(builder, part, builder.select(source, indices)))
    return builder.join(parts)


def _indices(columns: object, stage: ColumnTransformer) -> NDArray[np.int64]:
    """Numbers of the columns that are given as names, numbers, a slice or a mask."""
    numbers = np.arange(stage.n_features_in_)
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            raise EstimatorUnsupported("ColumnTransformer with a slice of names has no conversion; list the columns")
        part: NDArray[np.int64] = numbers[columns]
        return part
    listed: Sequence[object] = [columns] if isinstance(columns, str | int) else np.asarray(columns).tolist()
    if all(isinstance(column, str) for column in listed):
        names = list(getattr(stage, "feature_names_in_", ()))
        return np.array([names.index(column) for column in listed], np.int64)
    chosen: NDArray[np.int64] = numbers[np.asarray(listed)]
    return chosen


def _union(builder: GraphBuilder, stage: FeatureUnion, source: str) -> str:
    if stage.transformer_weights:
        raise EstimatorUnsupported("FeatureUnion with transformer_weights has no exact conversion")
    return builder.join([transform(builder, part, source) for _, part in stage.transformer_list if part != "drop"])


def _projection(builder: GraphBuilder, stage: PCA | FastICA, source: str) -> str:
    builder.allow(FLOAT_ROUNDING)
    if stage.whiten or isinstance(stage, PCA):
        source = builder.add("Sub", [source, builder.constant(stage.mean_.astype(np.float64))])
    result = builder.add("MatMul", [source, builder.constant(stage.components_.T.astype(np.float64))])
    if isinstance(stage, PCA) and stage.whiten:
        result = builder.add("Div", [result, builder.constant(np.sqrt(stage.explained_variance_))])
    builder.set_origins(result, [None] * len(stage.components_))
    return result


def _polynomial(builder: GraphBuilder, stage: PolynomialFeatures, source: str) -> str:
    """Products as scikit-learn makes them, the last factor first: `x0 * (x0 * x1)`."""
    builder.allow(FLOAT_ROUNDING)
    features = stage.n_features_in_
    # A column of ones behind the others stands in where a product has fewer factors than the longest.
    padding = [builder.constant(np.array([0, 0, 0, 1], np.int64)), builder.constant(1.0)]
    extended = builder.add("Pad", [source, *padding], mode="constant")
    terms = [np.repeat(np.arange(features), powers) for powers in stage.powers_]
    factors = np.full((len(terms), max(1, *map(len, terms))), features)
    for row, term in zip(factors, terms, strict=True):
        row[: len(term)] = term
    result = builder.select(extended, factors[:, -1])
    for column in factors.T[-2::-1]:
        result = builder.add("Mul", [builder.select(extended, column), result])
    if (origins := builder.origins(source)) is not None:
        builder.set_origins(result, [origins[term[0]] if len(term) == 1 else None for term in terms])
    return result


def _powers(builder: GraphBuilder, stage: PowerTransformer, source: str) -> str:
    """Box-Cox or Yeo-Johnson, column by column, then standardised.

    References
    ----------
    .. [1] Yeo & Johnson (2000), A New Family of Power Transformations, Biometrika 87(4)
    """
    builder.allow(FLOAT_ROUNDING)
    columns = []
    for number, power in enumerate(stage.lambdas_):
        column = builder.select(source, np.array([number]))
        columns.append(
            _yeo_johnson(builder, column, power) if stage.method == "yeo-johnson" else _box_cox(builder, column, power)
        )
    joined = builder.join(columns)
    # The scaler behind has no public name.
    return scale(builder, stage._scaler, joined) if stage.standardize else joined  # noqa: SLF001


def _yeo_johnson(builder: GraphBuilder, column: str, power: float) -> str:
    zero = builder.constant(0.0)
    positive = _box_cox(builder, _shifted(builder, builder.add("Max", [column, zero])), power)
    # Below zero it is the mirror image with the power mirrored at 1.
    mirrored = builder.add("Neg", [builder.add("Min", [column, zero])])
    negative = builder.add("Neg", [_box_cox(builder, _shifted(builder, mirrored), 2.0 - power)])
    return builder.add("Where", [builder.add("GreaterOrEqual", [column, zero]), positive, negative])


def _box_cox(builder: GraphBuilder, column: str, power: float) -> str:
    if abs(power) < np.spacing(1.0):
        return builder.add("Log", [column])
    raised = builder.add("Pow", [column, builder.constant(float(power))])
    return builder.add("Div", [builder.add("Sub", [raised, builder.constant(1.0)]), builder.constant(float(power))])


def _shifted(builder: GraphBuilder, column: str) -> str:
    return builder.add("Add", [column, builder.constant(1.0)])


_CONVERSIONS: dict[type, Callable[[GraphBuilder, Any, str], str]] = {
    **dict.fromkeys(SCALERS, scale),
    ColumnTransformer: _columns,
    FastICA: _projection,
    FeatureUnion: _union,
    FunctionTransformer: _function,
    PCA: _projection,
    Pipeline: _pipeline,
    PolynomialFeatures: _polynomial,
    PowerTransformer: _powers,
}
