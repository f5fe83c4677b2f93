"""LSTM autoencoder: read a window, remember it in a few numbers, write it again from those.

Malhotra et al. (2016), LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection, arXiv:1607.00148. The decoder
gets the latent vector at every step instead of its own last output, so training and scoring do the same thing, and
writes the oldest row first. The output is linear: standardised sensors are not confined to (0, 1).
"""

import torch
from torch import Tensor, nn

from services.anomaly.training.networks.contract import Reconstruction


class LstmAutoencoder(Reconstruction):
    """Encoder and decoder of equal depth and width.

    Parameters
    ----------
    sensors
        Columns of a window.
    hidden_units, layers
        Width and depth of each LSTM.
    latent
        Numbers that a window is remembered in.
    """

    def __init__(self, sensors: int, *, hidden_units: int, layers: int, latent: int) -> None:
        super().__init__()
        self.layers = layers
        self.encoder = nn.LSTM(sensors, hidden_units, layers, batch_first=True)
        self.to_latent = nn.Linear(hidden_units, latent)
        self.from_latent = nn.Linear(latent, hidden_units)
        self.decoder = nn.LSTM(latent, hidden_units, layers, batch_first=True)
        self.output = nn.Linear(hidden_units, sensors)

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` of `(b, w, c)`: the last hidden state of the top layer, compressed."""
        _, (hidden, _) = self.encoder(windows)
        return self.to_latent(hidden[-1])

    def written(self, latent: Tensor, window_rows: int) -> Tensor:
        """`(b, window_rows, hidden_units)`: what the decoder makes of `(b, latent)`, before the output layer."""
        hidden = self.from_latent(latent).unsqueeze(0).repeat(self.layers, 1, 1)
        steps = latent.unsqueeze(1).repeat(1, window_rows, 1)
        written, _ = self.decoder(steps, (hidden, torch.zeros_like(hidden)))
        return written

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, w, c)` standardised windows."""
        return self.output(self.written(self.latent(windows), windows.shape[1]))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.output(self.written(latent, windows.shape[1])[:, -1])
