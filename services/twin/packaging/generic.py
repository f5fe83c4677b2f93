"""What has no conversion of its own goes through skl2onnx, in double; the exactness gate decides whether it may."""

import warnings

import onnx
from sklearn.base import BaseEstimator

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.foreign import embed_foreign
from services.twin.packaging.graph import FLOAT_ROUNDING, ML_DOMAIN, OPSET, GraphBuilder

# The newest that skl2onnx writes; its operators mean the same in the version that the graph declares.
_ML_OPSET = 3


def embed(builder: GraphBuilder, stage: BaseEstimator, source: str) -> str:
    """Add a fitted transformer or regressor as skl2onnx converts it.

    Raises
    ------
    EstimatorUnsupported
        If skl2onnx cannot convert it, or only with operators that cannot be used here.
    """
    builder.allow(FLOAT_ROUNDING)
    name = type(stage).__name__
    return embed_foreign(builder, _converted(stage, name), source, width=stage.n_features_in_, made_from=name)


def _converted(stage: BaseEstimator, name: str) -> onnx.ModelProto:
    # Hardly any estimator comes here, and the package takes a while to load.
    from skl2onnx import convert_sklearn  # noqa: PLC0415
    from skl2onnx.common.data_types import DoubleTensorType  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted: onnx.ModelProto = convert_sklearn(
                stage,
                initial_types=[("rows", DoubleTensorType([None, stage.n_features_in_]))],
                target_opset={"": OPSET, ML_DOMAIN: _ML_OPSET},
            )
    # skl2onnx raises whatever its parts raise; each of these says that it cannot convert this.
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise EstimatorUnsupported(f"there is no exact conversion for {name}: {reason}") from error
    return converted
