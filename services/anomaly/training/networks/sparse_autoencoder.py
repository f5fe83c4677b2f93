"""Sparse autoencoder: more hidden units than sensors, of which each is on for few rows.

Ng (2011), Sparse Autoencoder, CS294A lecture notes, Stanford; the idea of a sparse code is Olshausen & Field (1996),
Emergence of simple-cell receptive field properties by learning a sparse code, Nature 381. Every unit comes to stand for
one way the plant runs, instead of a share of all of them.

The penalty is smooth. Keeping only the strongest units (Makhzani & Frey 2014, k-sparse autoencoders, arXiv:1312.5663)
makes jumps where two units are equally strong: the exported graph could then differ from the network by a whole unit.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.anomaly.training.networks.contract import Reconstruction

# A unit that is never or always on has an infinite penalty, whose gradient is no number.
_LEAST_ACTIVITY = 1e-4

_UNITS_PER_SENSOR, _LEAST_UNITS = 4, 32


def auto_code(sensors: int) -> int:
    """Hidden units where nobody chose them: four for each sensor, at least 32."""
    return max(_LEAST_UNITS, _UNITS_PER_SENSOR * sensors)


class SparseAutoencoder(Reconstruction):
    """One layer of sigmoid units and a linear output.

    Parameters
    ----------
    sensors
        Columns of a row.
    latent
        Hidden units; more than sensors make an overcomplete code.
    sparsity
        Wanted mean activation of a unit, in (0, 1) [1].
    sparsity_weight
        Of the penalty, beside the mean squared error.
    """

    def __init__(self, sensors: int, *, latent: int, sparsity: float, sparsity_weight: float) -> None:
        super().__init__()
        self.sparsity = sparsity
        self.sparsity_weight = sparsity_weight
        self.encoder = nn.Linear(sensors, latent)
        self.decoder = nn.Linear(latent, sensors)
        # Units start as rarely on as they shall be: from half on, training would spend its first epochs turning off.
        with torch.no_grad():
            self.encoder.bias.add_(math.log(sparsity / (1.0 - sparsity)))

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` activations between 0 and 1."""
        return torch.sigmoid(self.encoder(windows[:, -1]))

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, 1, c)` standardised rows."""
        return self.decoder(torch.sigmoid(self.encoder(windows)))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.decoder(latent)

    def training_loss(self, windows: Tensor) -> Tensor:
        activations = self.latent(windows)
        error = functional.mse_loss(self.decoder(activations), windows[:, -1])
        return error + self.sparsity_weight * self.penalty(activations)

    def stop_loss(self, windows: Tensor) -> Tensor:
        """The error alone: how often units are on in a short later block is no measure of the network."""
        return super().training_loss(windows)

    def penalty(self, activations: Tensor) -> Tensor:
        """Mean over the units of the divergence of a coin of their mean activation from one of the wanted [nats]."""
        wanted = self.sparsity
        mean = activations.mean(dim=0).clamp(_LEAST_ACTIVITY, 1.0 - _LEAST_ACTIVITY)
        divergence = wanted * torch.log(wanted / mean) + (1.0 - wanted) * torch.log((1.0 - wanted) / (1.0 - mean))
        return divergence.mean()
