"""Linear models as one product in double."""

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from services.twin.domain.bundle_layout import PREDICTION
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import SCALED, Body, constant
from shared.onnx.manifest import ElementType, Tensor


def linear_body(coefficients: NDArray[np.float64], intercept: NDArray[np.float64] | float) -> Body:
    """Nodes for `rows @ coefficients + intercept`.

    Parameters
    ----------
    coefficients
        `(f,)` or `(1, f)`.
    intercept
        One number, in any shape.

    Raises
    ------
    EstimatorUnsupported
        If the model predicts more than one target.
    """
    weights = np.asarray(coefficients, np.float64)
    offset = np.asarray(intercept, np.float64)
    if offset.size != 1 or (weights.ndim == 2 and len(weights) != 1):
        raise EstimatorUnsupported("a model predicts one target; this one was fitted on several")
    return Body(
        nodes=[
            helper.make_node("MatMul", [SCALED, "coefficients"], ["product"]),
            helper.make_node("Add", ["product", "intercept"], [PREDICTION]),
        ],
        initializers=[constant("coefficients", weights.reshape(-1)), constant("intercept", offset.reshape(()))],
        outputs=[Tensor(PREDICTION, ElementType.FLOAT64, (None,))],
    )
