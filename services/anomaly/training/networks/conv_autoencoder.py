"""Convolutional autoencoder of windows: short patterns in time, sensors as channels, squeezed into a few numbers.

Masci et al. (2011), Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, ICANN; strides halve the
window instead of pooling, so the decoder can mirror every layer. A dense layer in the middle makes the bottleneck: the
feature maps alone may hold more numbers than the window did, and a network that can copy explains every fault. The
output is linear: standardised sensors are not confined to (0, 1).
"""

from torch import Tensor, nn

from services.anomaly.training.networks.contract import Reconstruction

# Rows that a filter spans. Odd, so that padding is the same on both sides and every length can be restored exactly.
_KERNEL_ROWS = 7


class ConvAutoencoder(Reconstruction):
    """Layers of stride 2 to the bottleneck, and their mirror image back.

    Parameters
    ----------
    sensors, window_rows
        Shape of a window.
    filters
        Of the first layer; each further layer has half as many.
    layers
        Convolutions on each side.
    latent
        Width of the bottleneck.
    dropout
        Share of the feature maps that training leaves out, so that none of them is relied on alone.
    """

    def __init__(
        self, sensors: int, *, window_rows: int, filters: int, layers: int, latent: int, dropout: float
    ) -> None:
        super().__init__()
        channels = [sensors, *(max(filters >> i, 1) for i in range(layers))]
        lengths = [window_rows]
        for _ in range(layers):
            lengths.append((lengths[-1] + 1) // 2)
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        for i in range(layers):
            self.encoder.append(nn.Conv1d(channels[i], channels[i + 1], _KERNEL_ROWS, 2, _KERNEL_ROWS // 2))
            self.encoder.append(nn.ReLU())
            self.encoder.append(nn.Dropout(dropout))
        for i in reversed(range(layers)):
            self.decoder.append(nn.ReLU())
            self.decoder.append(nn.Dropout(dropout))
            self.decoder.append(
                nn.ConvTranspose1d(
                    channels[i + 1],
                    channels[i],
                    _KERNEL_ROWS,
                    2,
                    _KERNEL_ROWS // 2,
                    output_padding=1 - lengths[i] % 2,
                )
            )
        self.to_latent = nn.Linear(channels[-1] * lengths[-1], latent)
        self.from_latent = nn.Linear(latent, channels[-1] * lengths[-1])
        self.narrowest = (channels[-1], lengths[-1])

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` of `(b, w, c)`."""
        return self.to_latent(self.encoder(windows.transpose(1, 2)).flatten(1))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.decode(latent)[:, -1]

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, w, c)` standardised windows."""
        return self.decode(self.latent(windows))

    def decode(self, latent: Tensor) -> Tensor:
        """`(b, w, c)` of `(b, latent)`."""
        maps = self.from_latent(latent).unflatten(1, self.narrowest)
        return self.decoder(maps).transpose(1, 2)
