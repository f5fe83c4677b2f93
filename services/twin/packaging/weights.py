"""Weights of a network in 8 or 16 bits: rounded in the model first, then stored without any further loss.

The model with rounded weights is the one that is proved, calibrated and served. Its graph holds the short numbers and
widens them when it is loaded, so that it computes exactly what the model does, as fast as before.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPRegressor

from services.twin.packaging.graph import ConvertedModel
from services.twin.packaging.reference import Matrix, Reference, Vector
from services.twin.packaging.sources import Kind, kind_of

if TYPE_CHECKING:
    import torch

_LARGEST_INT8 = 127
# Below this many weights the nodes that widen them cost more than they save.
_FEWEST_WEIGHTS = 64
_REAL_TYPES = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


class WeightType(StrEnum):
    """How weights are stored, the smallest first."""

    INT8 = "int8"
    """Whole multiples, up to 127, of a power of two per column."""
    FLOAT16 = "float16"


@dataclass(frozen=True, slots=True)
class RoundedReference(Reference):
    """A network whose weights are rounded, whenever it is fitted."""

    weight_type: WeightType = WeightType.FLOAT16

    def refit(self, rows: Matrix, target: Vector) -> Reference:
        return round_weights(Reference(self.estimator, self.scaler).refit(rows, target), self.weight_type)


def is_network(reference: Reference) -> bool:
    """Whether there are weights to round."""
    return isinstance(reference.final, MLPRegressor) or kind_of(reference.final) is Kind.TORCH


def round_weights(reference: Reference, weight_type: WeightType) -> RoundedReference:
    """A copy of a network with its matrices rounded; thresholds (biases) stay as they are."""
    rounded = RoundedReference(copy.deepcopy(reference.estimator), reference.scaler, weight_type)
    final: Any = rounded.final
    if isinstance(final, MLPRegressor):
        final.coefs_ = [_rounded(weights, weight_type) for weights in final.coefs_]
    else:
        for weights in _matrices(final):
            values = weights.detach().cpu().numpy()
            weights.data.copy_(weights.data.new_tensor(_rounded(values.T, weight_type).T))
    return rounded


def store_short(converted: ConvertedModel) -> ConvertedModel:
    """The same graph with every matrix of weights in the fewest bits that hold it exactly."""
    model = onnx.load_from_string(converted.data)
    kept, widening = [], []
    for tensor in model.graph.initializer:
        short = _shortened(numpy_helper.to_array(tensor)) if _is_matrix(tensor) else None
        if short is None:
            kept.append(tensor)
            continue
        values, scale = short
        stored, wide = f"{tensor.name}_short", f"{tensor.name}_wide" if scale is not None else tensor.name
        kept.append(numpy_helper.from_array(values, stored))
        widening.append(helper.make_node("Cast", [stored], [wide], to=tensor.data_type))
        if scale is not None:
            kept.append(numpy_helper.from_array(scale, f"{tensor.name}_scale"))
            widening.append(helper.make_node("Mul", [wide, f"{tensor.name}_scale"], [tensor.name]))
    nodes = [*widening, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return replace(converted, data=model.SerializeToString(deterministic=True))


def _matrices(module: "torch.nn.Module") -> Iterator["torch.nn.Parameter"]:
    return (weights for weights in module.parameters() if weights.ndim == 2)


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type in _REAL_TYPES and int(np.prod(tensor.dims)) >= _FEWEST_WEIGHTS


def _rounded(weights: NDArray[Any], weight_type: WeightType) -> NDArray[Any]:
    """Columns `(inputs, outputs)` rounded to what the type holds."""
    if weight_type is WeightType.FLOAT16:
        half = np.finfo(np.float16)
        short: NDArray[Any] = np.clip(weights, half.min, half.max).astype(np.float16)
        return short.astype(weights.dtype)
    scale = _scale(weights)
    multiples: NDArray[Any] = np.round(weights / scale) * scale
    return multiples.astype(weights.dtype)


def _scale(weights: NDArray[Any]) -> NDArray[Any]:
    """A power of two per column, so that multiplying by it loses nothing in any type; `(1, outputs)`."""
    largest = np.abs(weights).max(axis=0, keepdims=True).astype(np.float64)
    scale: NDArray[Any] = np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0) / _LARGEST_INT8)))
    return scale


def _shortened(weights: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
    """The weights as int8 with their scale, or as float16; `None` where neither holds them exactly."""
    for scale in (_scale(weights), _scale(weights.T).T):
        multiples = weights / scale
        if np.all(multiples == np.round(multiples)) and np.abs(multiples).max() <= _LARGEST_INT8:
            return multiples.astype(np.int8), scale.astype(weights.dtype)
    with np.errstate(over="ignore"):
        half = weights.astype(np.float16)
    return (half, None) if np.array_equal(half.astype(weights.dtype), weights) else None
