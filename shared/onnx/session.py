"""ONNX Runtime, set up once for all services: one thread, CPU, nothing read from beside the graph."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from shared.errors import AppError, Kind
from shared.onnx.bundle import Bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import ElementType, Graph, Tensor

Output = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int64]

# ORT's own exceptions share no base class but Exception. Anything that is not among them is a bug of ours, but for
# damaged names in a graph, which its Python part cannot read.
_ORT_ERRORS = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoSuchFile,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    UnicodeDecodeError,
)
_ORT_TYPES = {
    "tensor(float)": ElementType.FLOAT32,
    "tensor(double)": ElementType.FLOAT64,
    "tensor(int64)": ElementType.INT64,
}
_LOG_ERRORS_ONLY = 3


class ModelFailed(AppError):
    """The graph was loaded and could not compute an answer."""

    kind, code = Kind.UNAVAILABLE, "bundle.model_failed"


class OnnxSession:
    """A loaded graph whose tensors are those the manifest states; safe to call from several threads.

    Parameters
    ----------
    model
        The ONNX file. Loading takes from milliseconds to seconds: do it off the event loop.
    graph
        Input and outputs the caller counts on.

    Raises
    ------
    BundleMalformed
        If ONNX Runtime cannot load the graph, or its tensors are not the stated ones.
    """

    def __init__(self, model: bytes, graph: Graph) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                model, sess_options=_session_options(), providers=["CPUExecutionProvider"]
            )
            _check_tensors("input", self._session.get_inputs(), [graph.input])
            _check_tensors("output", self._session.get_outputs(), graph.outputs)
        except _ORT_ERRORS as error:
            raise BundleMalformed(f"the graph {graph.file!r} cannot be loaded: {error}", path=graph.file) from error
        self.graph = graph
        self._input_name = graph.input.name
        self._input_type = np.dtype(graph.input.element_type.value)
        self._output_names = [tensor.name for tensor in graph.outputs]

    @classmethod
    def of(cls, bundle: Bundle) -> "OnnxSession":
        """Load the graph of a checked bundle."""
        graph = bundle.manifest.graph
        if graph is None:
            raise BundleMalformed("the bundle has no graph")
        return cls(bundle.read(graph.file), graph)

    def run(self, rows: ArrayLike) -> dict[str, Output]:
        """Compute every output for an array of the input's shape.

        Raises
        ------
        ModelFailed
            If ONNX Runtime reports an error, such as an array of another shape.
        """
        return dict(zip(self._output_names, self.run_only(self._output_names, rows), strict=True))

    def run_only(self, outputs: Sequence[str], rows: ArrayLike) -> list[Output]:
        """Compute the named outputs only, in that order: what is not asked for costs nothing to hand over."""
        array = np.ascontiguousarray(rows, dtype=self._input_type)
        try:
            computed: list[Output] = self._session.run(outputs, {self._input_name: array})
        except _ORT_ERRORS as error:
            raise ModelFailed(f"the model could not compute: {error}") from error
        return computed


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # A process serves many requests at once: a thread pool per session would fight the others for two cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Thousands of sessions may be loaded: an arena each would keep memory that the model needs once per call.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _LOG_ERRORS_ONLY
    return options


def _check_tensors(what: str, found: Sequence[onnxruntime.NodeArg], wanted: Sequence[Tensor]) -> None:
    if [tensor.name for tensor in found] != [tensor.name for tensor in wanted]:
        names = ", ".join(tensor.name for tensor in found)
        raise BundleMalformed(f"the {what} tensors of the graph are {names}; the manifest states others")
    for tensor, stated in zip(found, wanted, strict=True):
        shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
        if _ORT_TYPES.get(tensor.type) is not stated.element_type or shape != stated.shape:
            raise BundleMalformed(
                f"the {what} {stated.name!r} of the graph is {tensor.type} {list(shape)}; the manifest states "
                f"{stated.element_type.value} {list(stated.shape)}",
            )
