"""LSTM variational autoencoder: hidden causes that move with time, and a decoder that remembers them.

Park et al. (2018), A Multimodal Anomaly Detector for Robot-Assisted Feeding Using an LSTM-based Variational
Autoencoder, arXiv:1711.00614. Each row of a window has its own causes, drawn around what an LSTM made of the rows so
far; a second LSTM turns them into readings. The score is the negative log-likelihood of the newest row.

Left out are the noise on what it reads, the prior that follows the progress of a task, because a plant has no first and
last step, and the limit that moves with the state, because limits are set for all families alike. The spread of a
sensor is learned, but the same for every row. Nothing is random when it scores: causes are then at their means.
"""

import torch
from torch import Tensor, nn

from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.likelihoods import Gaussian
from services.anomaly.training.networks.vae import LOG_VARIANCE_BOUND, divergence


class LstmVae(Network):
    """Encoder and decoder of equal depth and width.

    Parameters
    ----------
    sensors
        Columns of a window.
    hidden_units, layers
        Width and depth of each LSTM.
    latent
        Hidden causes of a row.
    beta
        Weight of the divergence from the prior in training.
    """

    def __init__(self, sensors: int, *, hidden_units: int, layers: int, latent: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.likelihood = Gaussian(sensors)
        self.encoder = nn.LSTM(sensors, hidden_units, layers, batch_first=True)
        self.to_mean = nn.Linear(hidden_units, latent)
        self.to_log_variance = nn.Linear(hidden_units, latent)
        self.decoder = nn.LSTM(latent, hidden_units, layers, batch_first=True)
        self.output = nn.Linear(hidden_units, sensors)

    def encode(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of the causes, `(b, w, latent)` each."""
        hidden, _ = self.encoder(windows)
        log_variance = self.to_log_variance(hidden).clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        return self.to_mean(hidden), log_variance

    def decode(self, causes: Tensor) -> Tensor:
        """`(b, w, c)` expected readings of `(b, w, latent)` causes."""
        hidden, _ = self.decoder(causes)
        return self.output(hidden)

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)`: mean causes of the newest row."""
        return self.encode(windows)[0][:, -1]

    def training_loss(self, windows: Tensor) -> Tensor:
        mean, log_variance = self.encode(windows)
        drawn = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self._bound(windows, drawn, mean, log_variance)

    def stop_loss(self, windows: Tensor) -> Tensor:
        mean, log_variance = self.encode(windows)
        return self._bound(windows, mean, mean, log_variance)

    def residuals(self, windows: Tensor) -> Tensor:
        return windows[:, -1] - self._expected(windows)

    def error_parts(self, windows: Tensor) -> Tensor:
        """`(b, c)`: what each reading of the newest row costs above the least possible [nats]."""
        return self.likelihood.cost(windows[:, -1], self._expected(windows))

    def _expected(self, windows: Tensor) -> Tensor:
        return self.decode(self.encode(windows)[0])[:, -1]

    def _bound(self, windows: Tensor, causes: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        # A mean over the readings instead of a sum: the size of a step then does not depend on the window.
        cost = self.likelihood.cost(windows, self.decode(causes)).mean()
        apart = divergence(mean.flatten(0, 1), log_variance.flatten(0, 1)).mean()
        return cost + self.beta * apart / windows.shape[-1]
