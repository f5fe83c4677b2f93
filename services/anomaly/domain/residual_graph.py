"""The contract between an exported network and whoever serves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# float64 (batch, window, sensors), in the units of the sensors
INPUT_NAME = "windows"
# float64 (batch, sensors): what the newest row is more than expected [standard deviations], or, for a detector that
# scores by its family's raw error, a number a sensor whose squares add up to that error
OUTPUT_NAME = "residuals"
# float64 (batch, latent): what the network makes of a window, for maps
LATENT_NAME = "latent"
# float64 (batch, sensors), where a network has attention: the share that each sensor received, 1 in sum
ATTENTION_NAME = "attention"


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """A graph and its shapes.

    Parameters
    ----------
    model
        The ONNX file.
    window_rows, sensors
        Shape of one window.
    extras
        Width of every output beside the residuals, by name, in the order of the graph.
    """

    model: bytes
    window_rows: int
    sensors: int
    extras: Mapping[str, int] = field(default_factory=dict)
