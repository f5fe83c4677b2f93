"""Fit a network detector: scaling, training, export, and the proof that what is served is what was trained."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.images import ImageShape
from services.anomaly.domain.report_map import LatentModel
from services.anomaly.domain.residual_graph import ExportedNetwork
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scaling import Scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.beat import Beat, Progress, ignore
from services.anomaly.training.export import ScoringGraph, export, prove_parity
from services.anomaly.training.families import FamilyOptions, build_network
from services.anomaly.training.fit import (
    INPUT_LIMIT,
    Epoch,
    fit_network,
    mean_squared_residual,
    one_thread,
    reproducible,
    training_device,
)
from services.anomaly.training.interruptible import Interruptible
from services.anomaly.training.report import training_report
from shared.clock import SystemClock
from shared.errors import JSON

_PARITY_WINDOWS = 256
# Rows that are scaled at once: double precision is only needed for a moment, and not for a million rows.
_SCALED_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """An exported network, the model that will serve it, and how it came about."""

    network: ExportedNetwork
    model: ResidualModel
    report: dict[str, JSON]


def fit_network_detector(
    runs: Runs,
    blocks: Blocks,
    scaling: Scaling,
    options: FamilyOptions,
    *,
    image_shape: ImageShape | None = None,
    serve: Callable[[ExportedNetwork], ResidualModel],
    on_epoch: Callable[[Epoch], None],
    should_stop: Callable[[], bool],
    on_progress: Callable[[Progress], None] = ignore,
) -> FittedNetwork:
    """Train on the fit block, stop by the stop block, export, and compare on the limit block.

    Parameters
    ----------
    runs
        `(n, c)` training rows in the units of the sensors.
    image_shape
        Where a row is an image.
    serve
        Makes the serving model of an exported network.

    Raises
    ------
    NetworkTooLarge, TrainingDiverged, TrainingCancelled, ParityFailed
        See there; nothing is published then.
    """
    window_rows = options.window_rows
    rows, sensors = runs.rows, runs.rows.shape[1]
    standard = standardised(rows[: blocks.limit_start], scaling)
    reach_back = max(blocks.fit_end - window_rows + 1, 0)
    device = training_device()
    beat = Beat(SystemClock(), on_progress=on_progress, should_stop=should_stop)
    with reproducible(options.seed, device), one_thread():
        network = build_network(sensors, options, image_shape)
        network.prepare(rows, scaling)
        started_s = time.perf_counter()
        fit = fit_network(
            network.to(device),
            runs.part(0, blocks.fit_end).windows(standard[: blocks.fit_end], window_rows),
            runs.part(reach_back, blocks.limit_start).windows(standard[reach_back:], window_rows),
            options,
            on_epoch=on_epoch,
            beat=beat,
        )
        training_s = time.perf_counter() - started_s
    graph = ScoringGraph(network.cpu(), scaling, options.head)
    exported = export(graph, window_rows=window_rows, sensors=sensors)
    model = serve(exported)
    held_out = windows(rows[blocks.limit_start :], window_rows)
    sample = held_out[:: max(len(held_out) // _PARITY_WINDOWS, 1)]
    served = model.residuals(sample)
    parity = prove_parity(graph, served, sample)
    unexplained = mean_squared_residual(network, standardised(sample, scaling))
    report = training_report(
        fit,
        parity,
        parameters=sum(weight.numel() for weight in network.parameters()),
        unexplained=unexplained,
        device=device.type,
        training_s=training_s,
    )
    if isinstance(model, LatentModel):
        model = Interruptible(model, lambda: beat.ask(len(fit.epochs)))
    return FittedNetwork(exported, model, report)


def standardised(rows: Floats, scaling: Scaling) -> NDArray[np.float32]:
    """What a network is shown of `(n, …, c)`: scaled in double precision, cut, and kept in single precision."""
    shown = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _SCALED_ROWS):
        block = slice(start, start + _SCALED_ROWS)
        shown[block] = np.clip(scaling.apply(rows[block]), -INPUT_LIMIT, INPUT_LIMIT)
    return shown
