"""What a card says about the training of a network."""

import torch

from services.anomaly.training.export import OPSET, Parity
from services.anomaly.training.fit import FitReport
from shared.errors import JSON


def training_report(
    fit: FitReport, parity: Parity, *, parameters: int, unexplained: float, device: str, training_s: float
) -> dict[str, JSON]:
    """Put the figures of a training into plain values.

    Parameters
    ----------
    parameters
        Number of trained weights.
    unexplained
        Mean squared residual of the limit block; 1 is what predicting the mean of the fit block would leave if the
        plant had not moved on since.
    device
        Where the network was trained.
    training_s
        Time it took, without export [s].
    """
    return {
        "fit_loss": [epoch.fit_loss for epoch in fit.epochs],
        "stop_loss": [epoch.stop_loss for epoch in fit.epochs],
        "epochs": len(fit.epochs),
        "best_epoch": fit.best_epoch,
        "stopped_early": fit.stopped_early,
        "windows": fit.windows,
        "steps_per_epoch": fit.steps_per_epoch,
        "device": device,
        "training_s": training_s,
        "parameters": parameters,
        "held_out_mean_squared_residual": unexplained,
        "parity": {"windows": parity.windows, "largest_difference": parity.largest_difference},
        "opset": OPSET,
        "torch": str(torch.__version__),
    }
