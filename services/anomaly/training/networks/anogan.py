"""AnoGAN: the distance of a window from the nearest one that a GAN of normal windows can write.

Schlegl et al. (2017), Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery,
arXiv:1703.05921. Nothing is learned beside the GAN: every window is scored by a search of its own
(`latent_search`), which takes hundreds of steps. That is work for a job; f-AnoGAN and EGBAD are made for streams.
"""

from collections.abc import Sequence

from torch import Tensor

from services.anomaly.training.adam import Adam
from services.anomaly.training.latent_search import Search, search
from services.anomaly.training.networks.gan import Imitation, shared_out


class AnoGan(Imitation):
    """A Wasserstein GAN that is searched.

    Parameters
    ----------
    window_rows, sensors
        Shape of a window.
    hidden_units, latent
        Width of the layers, and of what the generator writes from.
    settings
        Of the search that scores a window.
    """

    def __init__(self, window_rows: int, sensors: int, *, hidden_units: int, latent: int, settings: Search) -> None:
        super().__init__(window_rows, sensors, hidden_units=hidden_units, latent=latent)
        self.settings = settings

    def latent(self, windows: Tensor) -> Tensor:
        return search(self.generator.layers, self.critic.features, windows.flatten(1), self.settings)

    def training_loss(self, windows: Tensor) -> Tensor:
        """How far the generator stays from these windows; the losses of the two adversaries are no measure of it."""
        return self.uncovered(windows)

    def error_parts_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        """Both losses of the paper, as means."""
        written = self.generator(latent)
        apart = (windows - written).abs().mean(dim=1) / windows.shape[-1]
        features = self.feature_difference(windows, written).abs().mean(dim=1)
        share = self.settings.feature_weight
        return (1.0 - share) * apart + shared_out(apart, share * features)

    def optimisers(self, learning_rate: float) -> Sequence[Adam]:
        return self.adversaries(learning_rate)

    def learn(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        return self.play(windows, optimisers)
