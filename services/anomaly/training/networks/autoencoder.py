"""Dense autoencoder: squeeze a row through a narrow layer and compare what comes out.

Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, Science 313; as a detector of
anomalies Sakurada & Yairi (2014), Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction. Hidden
layers use ReLU; the bottleneck and the output are linear: standardised sensors are not confined to (0, 1).
"""

from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from services.anomaly.training.networks.contract import Reconstruction

# The middle of the 10 to 30 % of the input that work for tables would leave 8 sensors with 1.6: the upper end is used.
_LATENT_SHARE = 0.3
# A layer that is narrower than this cannot bend a line into a curve worth having.
_LEAST_HIDDEN = 16


def auto_latent(sensors: int) -> int:
    """Width of the bottleneck where nobody chose it: 30 % of the sensors, at least 1."""
    return max(1, round(_LATENT_SHARE * sensors))


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
    """

    def __init__(self, sensors: int, *, hidden_layers: int, latent: int) -> None:
        super().__init__()
        first = max(_LEAST_HIDDEN, 2 * sensors)
        hidden = np.geomspace(first, max(latent, 1), hidden_layers + 1)[:-1].round().astype(int).tolist()
        self.encoder = _stack([sensors, *hidden, latent])
        self.decoder = _stack([latent, *reversed(hidden), sensors])

    def latent(self, windows: Tensor) -> Tensor:
        return self.encoder(windows[:, -1])  # type: ignore[no-any-return]

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstruct `(b, 1, c)` standardised rows."""
        return self.decoder(self.encoder(windows))  # type: ignore[no-any-return]


def _stack(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
