"""Fit a network detector: scaling, training, export, and the proof that what is served is what was trained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.residual_graph import ExportedNetwork
from services.anomaly.domain.scaling import Scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.export import ScoringGraph, export, prove_parity
from services.anomaly.training.families import FamilyOptions, build_network
from services.anomaly.training.fit import INPUT_LIMIT, Epoch, fit_network, one_thread
from services.anomaly.training.report import training_report
from shared.errors import JSON

_PARITY_WINDOWS = 256


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """An exported network, the model that will serve it, and how it came about."""

    network: ExportedNetwork
    model: ResidualModel
    report: dict[str, JSON]


def fit_network_detector(
    rows: Floats,
    blocks: Blocks,
    scaling: Scaling,
    options: FamilyOptions,
    *,
    serve: Callable[[ExportedNetwork], ResidualModel],
    on_epoch: Callable[[Epoch], None],
    should_stop: Callable[[], bool],
) -> FittedNetwork:
    """Train on the fit block, stop by the stop block, export, and compare on the limit block.

    Parameters
    ----------
    rows
        `(n, c)` training rows in the units of the sensors.
    serve
        Makes the serving model of an exported network.

    Raises
    ------
    TrainingDiverged, TrainingCancelled, ParityFailed
        See there; nothing is published then.
    """
    window_rows = options.window_rows
    sensors = rows.shape[1]
    standard = np.clip(scaling.apply(rows[: blocks.limit_start]), -INPUT_LIMIT, INPUT_LIMIT).astype(np.float32)
    reach_back = max(blocks.fit_end - window_rows + 1, 0)
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(options.seed)
        network = build_network(sensors, options)
        fit = fit_network(
            network,
            windows(standard[: blocks.fit_end], window_rows),
            windows(standard[reach_back:], window_rows),
            options,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )
    graph = ScoringGraph(network, scaling, options.head)
    exported = export(graph, window_rows=window_rows, sensors=sensors)
    model = serve(exported)
    held_out = windows(rows[blocks.limit_start :], window_rows)
    sample = held_out[:: max(len(held_out) // _PARITY_WINDOWS, 1)]
    served = model.residuals(sample)
    parity = prove_parity(graph, served, sample)
    report = training_report(
        fit,
        parity,
        parameters=sum(weight.numel() for weight in network.parameters()),
        unexplained=float((served**2).mean()),
    )
    return FittedNetwork(exported, model, report)
