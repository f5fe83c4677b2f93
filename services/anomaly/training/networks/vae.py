"""Variational autoencoder: a window is a draw from a few hidden causes, and an odd one is improbable under all of them.

Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114; with beta other than 1, Higgins et al.
(2017), beta-VAE, ICLR. Scores are the negative evidence bound at the mean of the hidden causes, or the reconstruction
probability of An & Cho (2015), Variational Autoencoder based Anomaly Detection using Reconstruction Probability.

Nothing is random when it scores: the bound is taken at the mean, and the probability over draws that are part of the
graph.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.options.vae import VaeScore
from services.anomaly.domain.scaling import Scaling
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.dense import hidden_widths, stack
from services.anomaly.training.networks.likelihoods import Likelihood

# Pairs of opposite draws of the reconstruction probability: each pair cancels what is linear in the draw, so that eight
# do what dozens of single ones would.
_PAIRS = 8
# Beyond these, `exp` of a logarithm of a variance leaves single precision or means nothing.
LOG_VARIANCE_BOUND = 10.0
# A sensor that is written without any error still has a part of what belongs to no sensor.
_LEAST_PART = 1e-6


class Vae(Network):
    """Dense encoder and decoder of flattened windows.

    Parameters
    ----------
    sensors, window_rows
        Shape of a window.
    hidden_layers
        Layers between a window and its latent, each side.
    latent
        Hidden causes.
    beta
        Weight of the divergence from the prior, in training and in the score.
    likelihood
        What the decoder's output says of a reading.
    score
        The family's own raw score.
    """

    draws: Tensor

    def __init__(
        self,
        sensors: int,
        *,
        window_rows: int,
        hidden_layers: int,
        latent: int,
        beta: float,
        likelihood: Likelihood,
        score: VaeScore,
    ) -> None:
        super().__init__()
        inputs = sensors * window_rows
        hidden = hidden_widths(inputs, latent, hidden_layers)
        self.window_shape = (window_rows, sensors)
        self.beta = beta
        self.score = score
        self.likelihood = likelihood
        self.encoder = nn.Sequential(stack([inputs, *hidden]), nn.ReLU())
        self.to_mean = nn.Linear(hidden[-1], latent)
        self.to_log_variance = nn.Linear(hidden[-1], latent)
        self.decoder = nn.Sequential(stack([latent, *reversed(hidden)]), nn.ReLU())
        self.output = nn.Linear(hidden[0], inputs)
        half = torch.randn((_PAIRS, 1, latent), generator=torch.Generator().manual_seed(0), device="cpu")
        self.register_buffer("draws", torch.cat((half, -half)))

    def prepare(self, rows: Floats, scaling: Scaling) -> None:
        self.likelihood.prepare(rows, scaling)

    def encode(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances, `(b, latent)` each."""
        hidden = self.encoder(windows.flatten(1))
        return self.to_mean(hidden), self.to_log_variance(hidden).clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)

    def decode(self, latent: Tensor) -> Tensor:
        """`(…, w, c)` outputs of `(…, latent)`."""
        return self.output(self.decoder(latent)).unflatten(-1, self.window_shape)

    def latent(self, windows: Tensor) -> Tensor:
        return self.encode(windows)[0]

    def training_loss(self, windows: Tensor) -> Tensor:
        mean, log_variance = self.encode(windows)
        drawn = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self._bound(windows, drawn, mean, log_variance)

    def stop_loss(self, windows: Tensor) -> Tensor:
        mean, log_variance = self.encode(windows)
        return self._bound(windows, mean, mean, log_variance)

    def residuals(self, windows: Tensor) -> Tensor:
        return self.residuals_at(windows, self.latent(windows))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        # Only the newest row is written: its part of the output layer is a small share of the network.
        sensors = self.window_shape[1]
        newest = functional.linear(self.decoder(latent), self.output.weight[-sensors:], self.output.bias[-sensors:])
        return self.likelihood.residuals(windows[:, -1], newest)

    def error_parts(self, windows: Tensor) -> Tensor:
        """`(b, c)`: what a window costs, a sensor's readings added up, as the mean over the rows [nats].

        The divergence belongs to no sensor. It is shared out in proportion to what the sensors cost: who made the
        window odd also made its causes odd.
        """
        mean, log_variance = self.encode(windows)
        if self.score is VaeScore.PROBABILITY:
            drawn = mean + self.draws * torch.exp(0.5 * log_variance)
            return self.likelihood.cost(windows, self.decode(drawn)).mean(dim=(0, 2))
        cost = self.likelihood.cost(windows, self.decode(mean)).mean(dim=1)
        share = (cost + _LEAST_PART) / (cost + _LEAST_PART).sum(dim=1, keepdim=True)
        return cost + share * (
            self.beta * divergence(mean, log_variance).clamp(min=0.0) / self.window_shape[0]
        ).unsqueeze(1)

    def _bound(self, windows: Tensor, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        # A mean over the readings instead of a sum: the size of a step then does not depend on the window.
        cost = self.likelihood.cost(windows, self.decode(latent)).mean()
        return cost + self.beta * divergence(mean, log_variance).mean() / windows[0].numel()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """`(b,)` Kullback-Leibler divergence of independent normal distributions from the standard one [nats]."""
    return 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
