"""f-AnoGAN: a generator learns to write normal windows, then an encoder learns to find the one nearest to a window.

Schlegl et al. (2019), f-AnoGAN: Fast unsupervised anomaly detection with generative adversarial networks, Medical Image
Analysis 54. The encoder is trained as there recommended (izi_f): generator and critic stand still, and a window has to
come back both as it was and as the critic sees it. One pass through three small networks makes a score, so it serves
streams, where the search of AnoGAN does not.
"""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from services.anomaly.training.adam import Adam, descend
from services.anomaly.training.networks.gan import Imitation, dense, shared_out


class FAnoGan(Imitation):
    """A Wasserstein GAN, and an encoder that inverts its generator.

    Parameters
    ----------
    window_rows, sensors
        Shape of a window.
    hidden_units, latent
        Width of the layers, and of what the generator writes from.
    feature_weight
        What the critic's features count beside the window, `kappa` in the paper [1].
    """

    stages: ClassVar[int] = 2

    def __init__(
        self, window_rows: int, sensors: int, *, hidden_units: int, latent: int, feature_weight: float
    ) -> None:
        super().__init__(window_rows, sensors, hidden_units=hidden_units, latent=latent)
        self.encoder = dense([window_rows * sensors, 2 * hidden_units, hidden_units, latent])
        self.feature_weight = feature_weight
        self.encoding = False

    def begin_stage(self, stage: int) -> None:
        self.encoding = stage == 1
        for part in (self.generator, self.critic):
            part.requires_grad_(not self.encoding)

    def latent(self, windows: Tensor) -> Tensor:
        return self.encoder(windows.flatten(1))

    def training_loss(self, windows: Tensor) -> Tensor:
        """What the encoder lowers."""
        return self.error_parts(windows).sum(dim=1).mean()

    def stop_loss(self, windows: Tensor) -> Tensor:
        """First how far the generator stays from later windows, then how far the encoder does."""
        return self.training_loss(windows) if self.encoding else self.uncovered(windows)

    def error_parts_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        written = self.generator(latent)
        apart = ((windows - written) ** 2).mean(dim=1) / windows.shape[-1]
        features = (self.feature_difference(windows, written) ** 2).mean(dim=1)
        return apart + shared_out(apart, self.feature_weight * features)

    def optimisers(self, learning_rate: float) -> Sequence[Adam]:
        if self.encoding:
            return (Adam(self.encoder.parameters(), learning_rate),)
        return self.adversaries(learning_rate)

    def learn(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        if self.encoding:
            return descend(self.training_loss(windows), optimisers[0])
        return self.play(windows, optimisers)
