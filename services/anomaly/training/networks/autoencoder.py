"""Dense autoencoder: squeeze a row through a narrow layer and compare what comes out.

Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, Science 313; as a detector of
anomalies Sakurada & Yairi (2014), Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction. Hidden
layers use ReLU; the bottleneck and the output are linear: standardised sensors are not confined to (0, 1).

With corruption it is the denoising autoencoder of Vincent et al. (2010), Stacked Denoising Autoencoders, JMLR 11: it is
shown a spoilt row and has to write the clean one, so it cannot copy and has to learn how sensors depend on each other.
"""

import torch
from torch import Tensor

from services.anomaly.training.networks.contract import Reconstruction
from services.anomaly.training.networks.dense import hidden_widths, stack


class Autoencoder(Reconstruction):
    """Layers that narrow by a constant ratio to the bottleneck and widen again.

    Parameters
    ----------
    sensors
        Columns of a row.
    hidden_layers
        Layers between the sensors and the bottleneck, each side.
    latent
        Width of the bottleneck.
    noise
        Spread of the Gaussian noise on what it is shown in training [standard deviations].
    masked_share
        Share of the readings that are replaced by their mean in training [1].
    """

    def __init__(
        self, sensors: int, *, hidden_layers: int, latent: int, noise: float = 0.0, masked_share: float = 0.0
    ) -> None:
        super().__init__()
        hidden = hidden_widths(sensors, latent, hidden_layers)
        self.noise = noise
        self.masked_share = masked_share
        self.encoder = stack([sensors, *hidden, latent])
        self.decoder = stack([latent, *reversed(hidden), sensors])

    def latent(self, windows: Tensor) -> Tensor:
        return self.encoder(windows[:, -1])

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, 1, c)` standardised rows."""
        return self.decoder(self.encoder(windows))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.decoder(latent)

    def training_loss(self, windows: Tensor) -> Tensor:
        written: Tensor = self(self.corrupted(windows) if self.training else windows)
        return ((written - windows) ** 2).mean()

    def corrupted(self, windows: Tensor) -> Tensor:
        """`(b, 1, c)` rows with noise on them and some readings at their mean, which is 0."""
        if self.noise > 0.0:
            windows = windows + self.noise * torch.randn_like(windows)
        if self.masked_share > 0.0:
            windows = windows * (torch.rand_like(windows) >= self.masked_share)
        return windows
