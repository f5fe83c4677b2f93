"""Scalers as the arithmetic they are: a few element-wise steps in double, in scikit-learn's own order.

The order matters: `(x - mean) / scale` and `x * (1 / scale) - mean / scale` differ in the last bit, and one bit is
enough to fall on the other side of a tree's threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from services.twin.packaging.errors import EstimatorUnsupported

Operator = Literal["Sub", "Div", "Mul", "Add"]


@dataclass(frozen=True, slots=True)
class Step:
    """One element-wise operation with an array `(f,)`."""

    operator: Operator
    operand: NDArray[np.float64]


def split_pipeline(estimator: BaseEstimator, scaler: BaseEstimator | None) -> tuple[list[Step], BaseEstimator]:
    """The scaling steps in front of the final estimator, and that estimator.

    Parameters
    ----------
    estimator
        A fitted regressor, or a pipeline of scalers that ends in one.
    scaler
        A scaler that was applied before `estimator` saw the rows.

    Raises
    ------
    EstimatorUnsupported
        If something in front of the regressor is not a scaler known here.
    """
    stages: list[BaseEstimator] = [] if scaler is None else [scaler]
    if isinstance(estimator, Pipeline):
        stages += [stage for _, stage in estimator.steps[:-1] if stage not in {None, "passthrough"}]
        estimator = estimator.steps[-1][1]
    return [step for stage in stages for step in scaling_steps(stage)], estimator


def scaling_steps(scaler: BaseEstimator) -> Sequence[Step]:
    """What a fitted scaler does to a row.

    Raises
    ------
    EstimatorUnsupported
        If the scaler is of another kind, or clips.
    """
    steps: list[tuple[Operator, ArrayLike, bool]]
    match scaler:
        case StandardScaler():
            steps = [("Sub", scaler.mean_, scaler.with_mean), ("Div", scaler.scale_, scaler.with_std)]
        case RobustScaler():
            steps = [("Sub", scaler.center_, scaler.with_centering), ("Div", scaler.scale_, scaler.with_scaling)]
        case MinMaxScaler(clip=False):
            steps = [("Mul", scaler.scale_, True), ("Add", scaler.min_, True)]
        case _:
            raise EstimatorUnsupported(
                f"there is no exact conversion for the scaler {scaler!r}",
                supported=["StandardScaler", "RobustScaler", "MinMaxScaler(clip=False)"],
            )
    return [Step(operator, np.asarray(operand, np.float64)) for operator, operand, used in steps if used]
