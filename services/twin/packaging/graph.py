"""The frame that every regressor's graph has: `rows` in, scaled in double, `prediction` and perhaps `spread` out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.twin.domain.bundle_layout import GRAPH_FILE, INPUT
from services.twin.packaging.scaling import Step
from shared.onnx.manifest import ElementType, Graph, Tensor

SCALED = "scaled"

_OPSET = 20
# `TreeEnsemble` came with version 5 of the domain: a fifth of the size of its predecessor, and loaded twice as fast.
_ML_OPSET = 5
_IR_VERSION = 10


@dataclass(frozen=True, slots=True)
class Body:
    """What one kind of estimator adds to the frame: nodes from `scaled` (double, `(n, f)`) to the outputs.

    Parameters
    ----------
    outputs
        With `prediction` first; the others as the manifest shall name them.
    """

    nodes: Sequence[onnx.NodeProto]
    initializers: Sequence[onnx.TensorProto]
    outputs: Sequence[Tensor]


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """An ONNX file and the tensors it takes and returns."""

    data: bytes
    graph: Graph


def assemble(features: int, steps: Sequence[Step], body: Body) -> ConvertedModel:
    """Put the scaling steps in front of the body and check the whole."""
    nodes: list[onnx.NodeProto] = []
    initializers = list(body.initializers)
    source = INPUT
    for number, step in enumerate(steps):
        operand, result = f"step{number}_operand", f"step{number}"
        initializers.append(numpy_helper.from_array(step.operand.astype(np.float64), operand))
        nodes.append(helper.make_node(step.operator, [source, operand], [result]))
        source = result
    nodes.append(helper.make_node("Identity", [source], [SCALED]))
    inputs = Tensor(INPUT, ElementType.FLOAT64, (None, features))
    model = helper.make_model(
        helper.make_graph(
            [*nodes, *body.nodes],
            "regressor",
            [_value_info(inputs)],
            list(map(_value_info, body.outputs)),
            initializers,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)],
        ir_version=_IR_VERSION,
        producer_name="futago",
    )
    onnx.checker.check_model(model)
    return ConvertedModel(model.SerializeToString(deterministic=True), Graph(GRAPH_FILE, inputs, tuple(body.outputs)))


def constant(name: str, values: NDArray[np.generic]) -> onnx.TensorProto:
    """An array inside the graph."""
    return numpy_helper.from_array(values, name)


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    types = {
        ElementType.FLOAT32: TensorProto.FLOAT,
        ElementType.FLOAT64: TensorProto.DOUBLE,
        ElementType.INT64: TensorProto.INT64,
    }
    return helper.make_tensor_value_info(tensor.name, types[tensor.element_type], list(tensor.shape))
