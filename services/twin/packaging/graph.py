"""Building one graph from raw rows in double to named outputs, whatever models and transformers it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper, onnx_ml_pb2

from services.twin.domain.bundle_layout import GRAPH_FILE, INPUT
from services.twin.packaging.errors import EstimatorUnsupported
from shared.onnx.manifest import ElementType, Graph, Tensor

Operator = Literal["Sub", "Div", "Mul", "Add"]

ML_DOMAIN = "ai.onnx.ml"
OPSET = 20
# `TreeEnsemble` came with version 5 of the domain: a fifth of the size of its predecessor, and loaded twice as fast.
_ML_OPSET = 5
_IR_VERSION = 10
_DOMAINS = {"": OPSET, ML_DOMAIN: _ML_OPSET}

# What graph and model may differ by, as a share of the largest prediction.
# Sums in double, taken in another order: a few bits of 53, for thousands of trees.
DOUBLE_ROUNDING = 2.0**-40
# Leaves rounded to float32 once lose at most half a unit of 2^-23; products of matrices in double lose far less,
# unless large terms cancel.
FLOAT_ROUNDING = 2.0**-23

_TYPES = {
    ElementType.FLOAT32: TensorProto.FLOAT,
    ElementType.FLOAT64: TensorProto.DOUBLE,
    ElementType.INT64: TensorProto.INT64,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """How a column of a tensor comes from one column of the raw rows: element-wise steps, the first one first."""

    column: int
    steps: tuple[tuple[Operator, float], ...] = ()

    def raw(self, value: float) -> float:
        """The raw value that becomes this one, up to the last bit."""
        for operator, operand in reversed(self.steps):
            match operator:
                case "Sub":
                    value = value + operand
                case "Add":
                    value = value - operand
                case "Div":
                    value = value * operand
                case "Mul":
                    value = value / operand
        return value


# One for each column of a tensor; `None` where a column depends on several.
Origins = tuple[Origin | None, ...]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where trees cut a tensor: the rows that matter most when graph and model are compared.

    Parameters
    ----------
    origins
        Where the columns of the tensor come from.
    features, thresholds
        `(n,)` column and value of each cut.
    """

    origins: Origins
    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """An ONNX file, and what is known of it.

    Parameters
    ----------
    graph
        The tensors it takes and returns.
    rounding
        What each output may differ from its model by, as a share of the largest value [1].
    cuts
        Where the trees in it cut.
    foreign
        Steps that another exporter converted: the first to suspect if the graph is not exact.
    """

    data: bytes
    graph: Graph
    rounding: Mapping[str, float]
    cuts: tuple[Cuts, ...] = ()
    foreign: tuple[str, ...] = ()


class GraphBuilder:
    """Collects the nodes of one model, from `rows` (double, `(n, f)`) to its outputs.

    Parameters
    ----------
    prefix
        In front of every name, so that several models fit into one graph.
    features
        Columns of the rows.
    """

    def __init__(self, prefix: str, features: int) -> None:
        self._prefix = prefix
        self.features = features
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.outputs: list[Tensor] = []
        self.cuts: list[Cuts] = []
        self.foreign: list[str] = []
        self.rounding = DOUBLE_ROUNDING
        self._names = 0
        self._origins: dict[str, Origins] = {INPUT: tuple(map(Origin, range(features)))}

    def add(self, operator: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        (name,) = self.add_many(operator, inputs, 1, domain=domain, **attributes)
        return name

    def add_many(
        self, operator: str, inputs: Sequence[str], outputs: int, *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; returns their names."""
        names = [self._name(operator) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def constant(self, values: NDArray[np.generic] | float) -> str:
        """Keep an array in the graph; returns its name."""
        name = self._name("constant")
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def embed(self, model: onnx.ModelProto, source: str) -> str:
        """Add a graph of one input and one output that another converter made; returns the output's name.

        Raises
        ------
        EstimatorUnsupported
            If it uses operators that this graph cannot have.
        """
        for node in model.graph.node:
            if not _is_current(node):
                raise EstimatorUnsupported(f"the operator {node.op_type} is no part of ONNX")
        graph = compose.add_prefix_graph(model.graph, self._name("embedded") + "/")
        self.nodes.append(helper.make_node("Identity", [source], [graph.input[0].name]))
        self.nodes.extend(graph.node)
        self.initializers.extend(graph.initializer)
        # Whatever the other converter says of its output's type.
        return self.add("Cast", [graph.output[0].name], to=TensorProto.DOUBLE)

    def give(self, source: str, output: Tensor) -> None:
        """Make a tensor an output of the graph."""
        self.nodes.append(helper.make_node("Identity", [source], [output.name]))
        self.outputs.append(output)

    def allow(self, rounding: float) -> None:
        """Say that what was added may differ from its model by this share of the largest prediction."""
        self.rounding = max(self.rounding, rounding)

    def origins(self, source: str) -> Origins | None:
        """Where the columns of a tensor come from; `None` if that was lost."""
        return self._origins.get(source)

    def set_origins(self, result: str, origins: Sequence[Origin | None]) -> None:
        self._origins[result] = tuple(origins)

    def cut(self, source: str, features: NDArray[np.int64], thresholds: NDArray[np.float64]) -> None:
        """Remember where trees cut a tensor, if its columns can be followed back to the rows."""
        origins = self.origins(source)
        if origins is not None and any(origins):
            self.cuts.append(Cuts(origins, features, thresholds))

    def scale(self, source: str, operator: Operator, operand: NDArray[np.float64]) -> str:
        """Add one element-wise step with an array `(f,)`."""
        result = self.add(operator, [source, self.constant(operand.astype(np.float64))])
        if (origins := self.origins(source)) is not None:
            self.set_origins(
                result,
                [
                    None if origin is None else Origin(origin.column, (*origin.steps, (operator, float(value))))
                    for origin, value in zip(origins, operand, strict=True)
                ],
            )
        return result

    def select(self, source: str, columns: NDArray[np.int64]) -> str:
        """Keep some columns, in the given order."""
        origins = self.origins(source)
        if origins is not None and np.array_equal(columns, np.arange(len(origins))):
            return source
        result = self.add("Gather", [source, self.constant(columns.astype(np.int64))], axis=1)
        if origins is not None:
            self.set_origins(result, [origins[column] for column in columns])
        return result

    def join(self, sources: Sequence[str]) -> str:
        """Put tensors side by side."""
        if len(sources) == 1:
            return sources[0]
        result = self.add("Concat", sources, axis=1)
        parts = [self.origins(source) for source in sources]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            self.set_origins(result, [origin for part in known for origin in part])
        return result

    def column(self, source: str) -> str:
        """`(n, 1)` as `(n,)`."""
        return self.add("Squeeze", [source, self.constant(np.array([1], np.int64))])

    def _name(self, operator: str) -> str:
        self._names += 1
        return f"{self._prefix}/{operator}{self._names}"


def assemble(features: int, parts: Sequence[GraphBuilder]) -> ConvertedModel:
    """Put the models of one graph together and check the whole."""
    inputs = Tensor(INPUT, ElementType.FLOAT64, (None, features))
    outputs = tuple(tensor for part in parts for tensor in part.outputs)
    model = helper.make_model(
        helper.make_graph(
            [node for part in parts for node in part.nodes],
            "regressor",
            [_value_info(inputs)],
            list(map(_value_info, outputs)),
            [tensor for part in parts for tensor in part.initializers],
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _DOMAINS.items()],
        ir_version=_IR_VERSION,
        producer_name="futago",
    )
    onnx.checker.check_model(model)
    return ConvertedModel(
        data=_serialise(model),
        graph=Graph(GRAPH_FILE, inputs, outputs),
        rounding={tensor.name: part.rounding for part in parts for tensor in part.outputs},
        cuts=tuple(cuts for part in parts for cuts in part.cuts),
        foreign=tuple(step for part in parts for step in part.foreign),
    )


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.element_type], list(tensor.shape))


def _is_current(node: onnx.NodeProto) -> bool:
    """Whether ONNX has this operator in the versions that the graph declares."""
    if node.domain not in _DOMAINS or not onnx.defs.has(node.op_type, node.domain):
        return False
    return not onnx.defs.get_schema(node.op_type, _DOMAINS[node.domain], node.domain).deprecated


def _serialise(model: onnx.ModelProto) -> bytes:
    """The bytes of a model with lists of integers packed: a fifth less for trees, and quicker to load.

    ONNX declares `AttributeProto.ints` unpacked, which costs one more byte for every integer; every reader of the
    format takes both forms (Protocol Buffers encoding, "Packed Repeated Fields").
    """
    schema = descriptor_pb2.FileDescriptorProto.FromString(onnx_ml_pb2.DESCRIPTOR.serialized_pb)
    (attribute,) = (message for message in schema.message_type if message.name == "AttributeProto")
    (integers,) = (field for field in attribute.field if field.name == "ints")
    integers.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    packed = message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx.ModelProto"))
    content: bytes = packed.FromString(model.SerializeToString()).SerializeToString(deterministic=True)
    return content
