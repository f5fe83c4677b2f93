"""Export a trained network with its scaling inside to ONNX, and prove that it computes the same.

The exporter is the one based on TorchScript: the newer one took 33 to 106 s for an LSTM instead of under one, kept
weights in a second file and froze the size of the batch. Window and sensors are fixed, only the batch is free.
"""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.residual_graph import INPUT_NAME, LATENT_NAME, OUTPUT_NAME, ExportedNetwork
from services.anomaly.domain.scaling import Scaling
from services.anomaly.training.fit import INPUT_LIMIT
from services.anomaly.training.networks.contract import Network
from shared.errors import AppError, Kind

OPSET = 20
# Largest difference between the frameworks that is let through [standard deviations, and of a larger residual a
# share: the digits of single precision are shares too]; usual is 1e-6.
PARITY_LIMIT = 1e-4

# Each is about the exporter itself or about a choice that is made on purpose here; nothing wider is silenced.
_EXPECTED_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "Exporting a model to ONNX with a batch_size other than 1",
    "The feature will be removed. Please remove usage of this function",
    "Converting a tensor to a Python",
)


class ParityFailed(AppError):
    """The exported graph computes something else than the network it was made from."""

    # Not a passing fault: trying again would export the same.
    kind, code = Kind.INVALID, "anomaly.parity_failed"


class ScoringGraph(nn.Module):
    """What serving computes: scale in double precision, ask the network, count in full what it was not shown.

    Double precision outside the network matters: a sensor near 1e6 that moves by 0.1 has no digits left in single
    precision.

    Parameters
    ----------
    head
        With the error head, the residuals are numbers whose squares add up to the family's raw error.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, network: Network, scaling: Scaling, head: HeadKind) -> None:
        super().__init__()
        self.network = network
        self.by_error = head is HeadKind.ERROR
        self.register_buffer("mean", torch.from_numpy(scaling.mean))
        self.register_buffer("scale", torch.from_numpy(scaling.scale))

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        """`(b, c)` residuals, `(b, k)` latents and extras of `(b, w, c)` windows in the units of the sensors."""
        scaled = (windows - self.mean) / self.scale
        shown = scaled.clamp(-INPUT_LIMIT, INPUT_LIMIT)
        network_input = shown.float()
        beyond = (scaled - shown)[:, -1]
        latent = self.network.latent(network_input)
        inside = (latent.double(), *(extra.double() for extra in self.network.extras(network_input).values()))
        if self.by_error:
            # The head of a raw error divides by the square root of the number of sensors.
            sensors = windows.shape[-1]
            parts = self.network.error_parts_at(network_input, latent).double()
            return (parts * sensors).sqrt() + beyond.abs(), *inside
        return self.network.residuals_at(network_input, latent).double() + beyond, *inside


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported graph may be from the network, and how far it was."""

    windows: int
    largest_difference: float


def export(graph: ScoringGraph, *, window_rows: int, sensors: int) -> ExportedNetwork:
    """Write the graph: `windows (b, w, c)` in; `residuals (b, c)`, `latent (b, k)` and the family's extras out.

    All are in double precision.
    """
    graph.eval()
    example = torch.zeros((2, window_rows, sensors), dtype=torch.float64)
    with torch.no_grad():
        _, *inside = graph(example)
        names = [LATENT_NAME, *graph.network.extras(example.float())]
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        torch.onnx.export(
            graph,
            (example,),
            target,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME, *names],
            dynamic_axes={name: {0: "batch"} for name in (INPUT_NAME, OUTPUT_NAME, *names)},
        )
        widths = {name: values.shape[1] for name, values in zip(names, inside, strict=True)}
        return ExportedNetwork(target.read_bytes(), window_rows, sensors, widths)


def prove_parity(graph: ScoringGraph, exported: Floats, windows: Floats) -> Parity:
    """Compare residuals of the exported graph with the network's own.

    Parameters
    ----------
    exported
        `(n, c)` from the graph as it will be served.
    windows
        `(n, w, c)` that the network was not trained on.

    Raises
    ------
    ParityFailed
        If any value differs by more than `PARITY_LIMIT`.
    """
    with torch.no_grad():
        own = graph(torch.from_numpy(np.array(windows)))[0].numpy()
    difference = float(np.max(np.abs(own - exported) / np.maximum(np.abs(own), 1.0)))
    if not difference <= PARITY_LIMIT:
        raise ParityFailed(
            f"the exported graph differs by {difference:g} standard deviations; a lower learning rate may help",
            difference=difference,
        )
    return Parity(len(windows), difference)
