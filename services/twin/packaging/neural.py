"""Networks: scikit-learn's in double, PyTorch's in the precision of their weights.

PyTorch is imported by nobody here before a module is handed over. The exporter is the one based on TorchScript: the
newer one takes a hundred times as long and keeps weights in a second file.
"""

# ruff: noqa: PLC0415 (see above: PyTorch is there only where a module was handed over)

import copy
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto
from sklearn.neural_network import MLPRegressor

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.foreign import embed_foreign
from services.twin.packaging.graph import FLOAT_ROUNDING, OPSET, GraphBuilder
from services.twin.packaging.linear import ONE_TARGET

if TYPE_CHECKING:
    import torch

# A sum of k products in float32 is off by up to k half units of 2^-23, by its square root as a rule, and two libraries
# add in different orders: 64 units are what a thousand inputs a layer, three layers deep, are off by as a rule.
NETWORK_ROUNDING = 2.0**-17

_ACTIVATIONS = {"identity": None, "logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh", "exp": "Exp"}
_BATCH_ROWS = 4_096
# A module that decides by the values it is given: the graph would hold the one branch that the example took.
_DECIDED_BY_VALUES = re.compile("Converting a tensor to a Python (boolean|float)")


def perceptron(builder: GraphBuilder, model: MLPRegressor, source: str) -> str:
    """Add scikit-learn's network, computed in double.

    Raises
    ------
    EstimatorUnsupported
        If it predicts more than one target.
    """
    if model.n_outputs_ != 1:
        raise EstimatorUnsupported(ONE_TARGET)
    builder.allow(FLOAT_ROUNDING)
    activations = [model.activation] * (len(model.coefs_) - 1) + [model.out_activation_]
    for weights, biases, activation in zip(model.coefs_, model.intercepts_, activations, strict=True):
        product = builder.add("MatMul", [source, builder.constant(weights.astype(np.float64))])
        source = builder.add("Add", [product, builder.constant(biases.astype(np.float64))])
        if (operator := _ACTIVATIONS[activation]) is not None:
            source = builder.add(operator, [source])
    return builder.column(source)


def torch_module(builder: GraphBuilder, module: "torch.nn.Module", source: str) -> str:
    """Add a PyTorch module in evaluation mode, with all its weights.

    Parameters
    ----------
    module
        Takes `(n, f)` and returns `(n,)` or `(n, 1)`.

    Raises
    ------
    EstimatorUnsupported
        If it cannot be exported, or returns something else.
    """
    import torch

    served, real = _served(module), _real_type(module)
    example = torch.zeros((2, builder.features), dtype=real)
    with torch.no_grad():
        answer = served(example)
    if not isinstance(answer, torch.Tensor) or tuple(answer.shape) not in {(2,), (2, 1)}:
        raise EstimatorUnsupported("a module must return one number a row, as a tensor (n,) or (n, 1)")
    element = TensorProto.DOUBLE if real == torch.float64 else TensorProto.FLOAT
    result = embed_foreign(
        builder,
        _export(served, example),
        builder.add("Cast", [source], to=element),
        width=builder.features,
        made_from=type(module).__name__,
    )
    builder.allow(NETWORK_ROUNDING)
    return builder.add("Reshape", [result, builder.constant(np.array([-1], np.int64))])


def torch_predict(module: "torch.nn.Module", rows: np.ndarray) -> np.ndarray:
    """What a module predicts for `(n, f)` rows in evaluation mode, without touching the module; double `(n,)`."""
    import torch

    served, real = _served(module), _real_type(module)
    with torch.no_grad():
        parts = [served(part) for part in torch.split(torch.from_numpy(np.array(rows)).to(real), _BATCH_ROWS)]
        return torch.cat(parts).reshape(len(rows)).double().numpy()


def _served(module: "torch.nn.Module") -> "torch.nn.Module":
    """A copy on the processor, with dropout and the like off."""
    return copy.deepcopy(module).cpu().eval()


def _real_type(module: "torch.nn.Module") -> "torch.dtype":
    import torch

    weights = next(iter(module.parameters()), None)
    return torch.float64 if weights is not None and weights.dtype == torch.float64 else torch.float32


def _export(module: "torch.nn.Module", example: "torch.Tensor") -> onnx.ModelProto:
    import torch

    # Warnings are about the exporter, which is used on purpose, or about what tracing may miss: of those, one kind is
    # fatal, and the gate finds the rest.
    with warnings.catch_warnings(record=True) as raised, tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("always")
        target = Path(folder) / "module.onnx"
        try:
            torch.onnx.export(
                module,
                (example,),
                target,
                dynamo=False,
                opset_version=OPSET,
                input_names=["rows"],
                output_names=["answer"],
                dynamic_axes={"rows": {0: "batch"}, "answer": {0: "batch"}},
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError) as error:
            raise EstimatorUnsupported(f"PyTorch cannot export {type(module).__name__}: {error}") from error
        if any(_DECIDED_BY_VALUES.match(str(warning.message)) for warning in raised):
            raise EstimatorUnsupported(
                f"{type(module).__name__} decides by the values it is given (an if, or float()); a graph cannot"
            )
        return onnx.load(target)
