"""Scalers as the arithmetic they are: a few element-wise steps in double, in scikit-learn's own order.

The order matters: `(x - mean) / scale` and `x * (1 / scale) - mean / scale` differ in the last bit, and one bit is
enough to fall on the other side of a tree's threshold.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from services.twin.packaging.graph import GraphBuilder, Operator

SCALERS = (StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler)


def scale(builder: GraphBuilder, scaler: BaseEstimator, source: str) -> str:
    """Add what a fitted scaler, one of `SCALERS`, does to a row."""
    steps: list[tuple[Operator, object, bool]]
    match scaler:
        case StandardScaler():
            steps = [("Sub", scaler.mean_, scaler.with_mean), ("Div", scaler.scale_, scaler.with_std)]
        case RobustScaler():
            steps = [("Sub", scaler.center_, scaler.with_centering), ("Div", scaler.scale_, scaler.with_scaling)]
        case MinMaxScaler():
            steps = [("Mul", scaler.scale_, True), ("Add", scaler.min_, True)]
        case MaxAbsScaler():
            steps = [("Div", scaler.scale_, True)]
        case _:
            raise TypeError(f"{type(scaler).__name__} is no scaler")
    for operator, operand, used in steps:
        if used:
            source = builder.scale(source, operator, np.asarray(operand, np.float64))
    if getattr(scaler, "clip", False):
        # A value outside has the origin of the end it is moved to; only cuts inside the ends tell rows apart.
        lower, upper = getattr(scaler, "feature_range", (-1.0, 1.0))
        clipped = builder.add("Clip", [source, builder.constant(float(lower)), builder.constant(float(upper))])
        if (origins := builder.origins(source)) is not None:
            builder.set_origins(clipped, origins)
        return clipped
    return source
