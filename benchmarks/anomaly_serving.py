"""Scoring windows by a network: ONNX Runtime as it serves, beside the same computation in torch, on one thread."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from benchmarks.pairs import seconds_per_call
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.options.reading import parse_options
from services.anomaly.domain.scaling import fit_scaling
from services.anomaly.domain.windows import block_windows, windows
from services.anomaly.training.export import ScoringGraph, export
from services.anomaly.training.families import build_network

_WINDOW_ROWS = 50
# Kind and sensors; what the weights are has no part in the time.
_SHAPES = (("lstm_autoencoder", 5), ("vae", 5), ("vae", 38))


def main() -> None:
    """Print the time of one window and of the block it is served in, by both, and of reading without scoring."""
    torch.set_num_threads(1)
    for kind, sensors in _SHAPES:
        served, eager, rows = _both(kind, sensors)
        view = windows(rows, _WINDOW_ROWS)
        for count in (1, len(view)):
            times_s = seconds_per_call(_ways(served, eager, view[:count]))
            ours_s = next(iter(times_s.values()))
            for name, time_s in times_s.items():
                title = f"{kind} {_WINDOW_ROWS}x{sensors}, {count} windows, {name}"
                print(f"  {title:58s} {time_s * 1e6:9.1f} µs {count / time_s:9.0f} /s {time_s / ours_s:7.2f} x")


def _both(kind: str, sensors: int) -> tuple[OnnxResidualModel, ScoringGraph, Floats]:
    torch.manual_seed(0)
    count = block_windows(_WINDOW_ROWS, sensors)
    rows = np.random.default_rng(0).normal(size=(_WINDOW_ROWS - 1 + count, sensors))
    options = parse_options(kind, {"window_rows": _WINDOW_ROWS})
    network = build_network(sensors, options)
    graph = ScoringGraph(network, fit_scaling(rows), HeadKind.MAHALANOBIS).eval()
    return OnnxResidualModel(export(graph, window_rows=_WINDOW_ROWS, sensors=sensors)), graph, rows


def _ways(served: OnnxResidualModel, eager: ScoringGraph, view: Floats) -> Mapping[str, Callable[[], object]]:
    def in_torch() -> Floats:
        with torch.inference_mode():
            residuals: Floats = eager(torch.from_numpy(np.array(view)))[0].numpy()
        return residuals

    return {
        "served": lambda: served.residuals(view),
        "torch": in_torch,
        "numpy reading": lambda: np.array(view),
    }


if __name__ == "__main__":
    main()
