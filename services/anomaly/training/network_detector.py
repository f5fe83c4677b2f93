"""Fit a network detector: scaling, training, export, and the proof that what is served is what was trained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.options import AutoencoderOptions, LstmAutoencoderOptions
from services.anomaly.domain.scaling import Scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.export import ResidualNetwork, export, prove_parity
from services.anomaly.training.fit import INPUT_LIMIT, Epoch, fit_network, one_thread
from services.anomaly.training.networks.autoencoder import Autoencoder, auto_latent
from services.anomaly.training.networks.lstm_autoencoder import LstmAutoencoder
from services.anomaly.training.report import training_report
from shared.errors import JSON

_PARITY_WINDOWS = 256


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """An exported network, the model that will serve it, and how it came about."""

    graph: bytes
    model: ResidualModel
    report: dict[str, JSON]


def fit_network_detector(
    rows: Floats,
    blocks: Blocks,
    scaling: Scaling,
    options: AutoencoderOptions | LstmAutoencoderOptions,
    *,
    serve: Callable[[bytes, int, int], ResidualModel],
    on_epoch: Callable[[Epoch], None],
    should_stop: Callable[[], bool],
) -> FittedNetwork:
    """Train on the fit block, stop by the stop block, export, and compare on the limit block.

    Parameters
    ----------
    rows
        `(n, c)` training rows in the units of the sensors.
    serve
        Makes the serving model of a graph, its window and its number of sensors.

    Raises
    ------
    TrainingDiverged, TrainingCancelled, ParityFailed
        See there; nothing is published then.
    """
    window_rows = options.window_rows if isinstance(options, LstmAutoencoderOptions) else 1
    sensors = rows.shape[1]
    standard = np.clip(scaling.apply(rows[: blocks.limit_start]), -INPUT_LIMIT, INPUT_LIMIT).astype(np.float32)
    reach_back = max(blocks.fit_end - window_rows + 1, 0)
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(options.seed)
        network = _network(sensors, options)
        fit = fit_network(
            network,
            windows(standard[: blocks.fit_end], window_rows),
            windows(standard[reach_back:], window_rows),
            options,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )
    scored = ResidualNetwork(network, scaling)
    graph = export(scored, window_rows=window_rows, sensors=sensors)
    model = serve(graph, window_rows, sensors)
    held_out = windows(rows[blocks.limit_start :], window_rows)
    sample = held_out[:: max(len(held_out) // _PARITY_WINDOWS, 1)]
    served = model.residuals(sample)
    parity = prove_parity(scored, served, sample)
    report = training_report(
        fit,
        parity,
        parameters=sum(weight.numel() for weight in network.parameters()),
        unexplained=float((served**2).mean()),
    )
    return FittedNetwork(graph, model, report)


def _network(sensors: int, options: AutoencoderOptions | LstmAutoencoderOptions) -> nn.Module:
    if isinstance(options, AutoencoderOptions):
        latent = auto_latent(sensors) if options.latent is None else options.latent
        return Autoencoder(sensors, hidden_layers=options.hidden_layers, latent=latent)
    return LstmAutoencoder(sensors, hidden_units=options.hidden_units, layers=options.layers, latent=options.latent)
