"""Transformer autoencoder: sensors look at each other, a window passes through a few numbers, and comes out again.

The layers are those of Vaswani et al. (2017), Attention Is All You Need, arXiv:1706.03762, with a sensor's window as a
token (Liu et al. 2024, iTransformer, arXiv:2310.06625). Relatives among detectors attend over time (Xu et al. 2022,
Anomaly Transformer, arXiv:2110.02642; Tuli et al. 2022, TranAD, arXiv:2201.07284).

Every layer of a transformer adds to its input, so without a bottleneck it learns to copy, faults included. Hiding the
newest row would prevent that too, but the attention of a row would then not depend on the row: all tokens together pass
through one narrow layer instead.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from services.anomaly.domain.residual_graph import ATTENTION_NAME
from services.anomaly.training.networks.contract import Reconstruction
from services.anomaly.training.networks.sensor_attention import SensorAttention


class Transformer(Reconstruction):
    """Encoder and decoder of equal depth and width, with a bottleneck between.

    Parameters
    ----------
    sensors, window_rows
        Shape of a window.
    width
        Numbers of a sensor's token; a multiple of `heads`.
    heads
        Attentions side by side in each layer.
    layers
        On each side.
    latent
        Width of the bottleneck.
    dropout
        Share of what each layer adds that training leaves out.
    """

    def __init__(
        self, sensors: int, *, window_rows: int, width: int, heads: int, layers: int, latent: int, dropout: float
    ) -> None:
        super().__init__()
        self.token_shape = (sensors, width)
        self.embed = nn.Linear(window_rows, width)
        # The layers treat all tokens alike: this tells them which sensor is which.
        self.sensor_marks = nn.Parameter(torch.randn(self.token_shape, device="cpu") * 0.1)
        self.encoder = nn.ModuleList(SensorAttention(width, heads, dropout) for _ in range(layers))
        self.to_latent = nn.Sequential(nn.LayerNorm(width), nn.Flatten(), nn.Linear(sensors * width, latent))
        self.from_latent = nn.Linear(latent, sensors * width)
        self.decoder = nn.ModuleList(SensorAttention(width, heads, dropout) for _ in range(layers))
        self.output = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, window_rows))

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, w, c)` standardised windows."""
        return self.decode(self.latent(windows))

    def decode(self, latent: Tensor) -> Tensor:
        """`(b, w, c)` of `(b, latent)`."""
        tokens = self.from_latent(latent).unflatten(1, self.token_shape)
        for layer in self.decoder:
            tokens, _ = layer(tokens)
        return self.output(tokens).transpose(1, 2)

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.decode(latent)[:, -1]

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` of `(b, w, c)`."""
        tokens, _ = self._encode(windows)
        return self.to_latent(tokens)

    def extras(self, windows: Tensor) -> Mapping[str, Tensor]:
        return {ATTENTION_NAME: self.attention(windows)}

    def attention(self, windows: Tensor) -> Tensor:
        """`(b, c)`: share of the encoder's attention that each sensor received, the mean over its layers.

        It says where the encoder looked, not why a row is anomalous: layers pass their input on beside the attention,
        after the first one a token is a mixture of sensors, and other attentions may give the same output (Jain &
        Wallace 2019, Attention is not Explanation, arXiv:1902.10186). What a score is made of, contributions say.
        """
        _, attention = self._encode(windows)
        return attention

    def _encode(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.embed(windows.transpose(1, 2)) + self.sensor_marks
        received = []
        for layer in self.encoder:
            tokens, attention = layer(tokens)
            received.append(attention)
        return tokens, torch.stack(received).mean(dim=0)
