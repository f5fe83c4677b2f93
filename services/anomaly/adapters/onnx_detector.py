"""Residuals from an exported network, by ONNX Runtime."""

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.residual_graph import INPUT_NAME, OUTPUT_NAME
from shared.onnx.manifest import ElementType, Graph, Tensor
from shared.onnx.session import OnnxSession

GRAPH_FILE = "model.onnx"


class OnnxResidualModel:
    """A network as the scorer sees it; safe to call from several threads.

    Parameters
    ----------
    network
        The graph, as `services.anomaly.training` exports it.
    window_rows, sensors
        Shape of its window.

    Raises
    ------
    BundleMalformed
        If the graph cannot be loaded, or takes and returns something else.
    """

    def __init__(self, network: bytes, window_rows: int, sensors: int) -> None:
        self._session = OnnxSession(network, residual_graph(window_rows, sensors))
        self._window_rows = window_rows

    @property
    def window_rows(self) -> int:
        """Rows in a window."""
        return self._window_rows

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` residuals of `(b, window_rows, c)` windows."""
        (residuals,) = self._session.run_only([OUTPUT_NAME], batch)
        return residuals.astype("float64", copy=False)


def residual_graph(window_rows: int, sensors: int) -> Graph:
    """What the graph of every network takes and returns."""
    return Graph(
        file=GRAPH_FILE,
        input=Tensor(INPUT_NAME, ElementType.FLOAT64, (None, window_rows, sensors)),
        outputs=(Tensor(OUTPUT_NAME, ElementType.FLOAT64, (None, sensors)),),
    )
