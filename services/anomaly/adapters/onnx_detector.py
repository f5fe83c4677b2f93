"""Residuals from an exported network, by ONNX Runtime."""

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.residual_graph import (
    ATTENTION_NAME,
    INPUT_NAME,
    LATENT_NAME,
    OUTPUT_NAME,
    ExportedNetwork,
)
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import ElementType, Graph, Tensor
from shared.onnx.session import OnnxSession

GRAPH_FILE = "model.onnx"


class OnnxResidualModel:
    """A network as the scorer sees it; safe to call from several threads.

    Parameters
    ----------
    network
        The graph, as `services.anomaly.training` exports it.

    Raises
    ------
    BundleMalformed
        If the graph cannot be loaded, or takes and returns something else.
    """

    def __init__(self, network: ExportedNetwork) -> None:
        self._session = OnnxSession(network.model, network_graph(network))
        self._window_rows = network.window_rows
        self.extras = tuple(network.extras)

    @property
    def window_rows(self) -> int:
        """Rows in a window."""
        return self._window_rows

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` residuals of `(b, window_rows, c)` windows."""
        return self.output(OUTPUT_NAME, batch)

    def latent(self, batch: Floats) -> Floats:
        """`(b, k)` latents of `(b, window_rows, c)` windows."""
        return self.output(LATENT_NAME, batch)

    @property
    def has_attention(self) -> bool:
        """Whether the network has attention among the sensors."""
        return ATTENTION_NAME in self.extras

    def attention(self, batch: Floats) -> Floats:
        """`(b, c)` attention that each sensor received in `(b, window_rows, c)` windows."""
        return self.output(ATTENTION_NAME, batch)

    def output(self, name: str, batch: Floats) -> Floats:
        """`(b, width)` of any output of the graph."""
        (values,) = self._session.run_only([name], batch)
        return values.astype("float64", copy=False)


def network_graph(network: ExportedNetwork) -> Graph:
    """What the graph of a network takes and returns, as its bundle states it."""
    widths = {OUTPUT_NAME: network.sensors, **network.extras}
    return Graph(
        file=GRAPH_FILE,
        input=Tensor(INPUT_NAME, ElementType.FLOAT64, (None, network.window_rows, network.sensors)),
        outputs=tuple(Tensor(name, ElementType.FLOAT64, (None, width)) for name, width in widths.items()),
    )


def read_network(model: bytes, graph: Graph, *, window_rows: int, sensors: int) -> ExportedNetwork:
    """The network of a bundle.

    Raises
    ------
    BundleMalformed
        If the stated tensors are not those of a detector.
    """
    extras: dict[str, int] = {}
    for tensor in graph.outputs[1:]:
        width = tensor.shape[-1]
        if len(tensor.shape) != 2 or width is None:
            raise BundleMalformed(f"the output {tensor.name!r} of a detector is no table")
        extras[tensor.name] = width
    network = ExportedNetwork(model, window_rows, sensors, extras)
    if network_graph(network) != graph:
        raise BundleMalformed("the tensors of the graph are not those of a detector")
    return network
