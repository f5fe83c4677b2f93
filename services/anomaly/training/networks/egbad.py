"""EGBAD: generator and encoder learn together, by fooling a critic that sees a window beside its latent numbers.

Zenati et al. (2018), Efficient GAN-Based Anomaly Detection, arXiv:1802.06222, on the bidirectional GAN of Donahue et
al. (2017), Adversarial Feature Learning, arXiv:1605.09782. The critic tells `(x, E(x))` from `(G(z), z)`; where it can
no longer do so, the encoder inverts the generator. It is trained with the Wasserstein loss of the other GANs here,
which does not saturate when the critic is ahead.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from services.anomaly.training.adam import Adam, descend
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.gan import (
    ADAM_BETAS,
    CRITIC_STEPS,
    Critic,
    Generator,
    critic_loss,
    dense,
    shared_out,
)


class Egbad(Network):
    """A bidirectional GAN.

    Parameters
    ----------
    window_rows, sensors
        Shape of a window.
    hidden_units, latent
        Width of the layers, and of what the generator writes from.
    window_weight
        Share of the window in the raw error, `alpha` in the paper; the rest is the critic's features [1].
    """

    def __init__(self, window_rows: int, sensors: int, *, hidden_units: int, latent: int, window_weight: float) -> None:
        super().__init__()
        values = window_rows * sensors
        self.generator = Generator(window_rows, sensors, hidden_units=hidden_units, latent=latent)
        self.encoder = dense([values, 2 * hidden_units, hidden_units, latent])
        self.critic = Critic(values + latent, hidden_units=hidden_units)
        self.window_weight = window_weight

    def latent(self, windows: Tensor) -> Tensor:
        return self.encoder(windows.flatten(1))

    def training_loss(self, windows: Tensor) -> Tensor:
        """How far the generator stays from the windows that the encoder leads it to."""
        return ((windows - self.generator(self.latent(windows))) ** 2).mean()

    def residuals(self, windows: Tensor) -> Tensor:
        written: Tensor = self.generator(self.latent(windows))
        return windows[:, -1] - written[:, -1]

    def error_parts(self, windows: Tensor) -> Tensor:
        """Both losses of the paper, as means."""
        latent = self.latent(windows)
        written = self.generator(latent)
        apart = (windows - written).abs().mean(dim=1) / windows.shape[-1]
        seen = self.critic.features(_beside(windows, latent)) - self.critic.features(_beside(written, latent))
        features = seen.abs().mean(dim=1)
        return self.window_weight * apart + shared_out(apart, (1.0 - self.window_weight) * features)

    def optimisers(self, learning_rate: float) -> Sequence[Adam]:
        inverse = itertools.chain(self.generator.parameters(), self.encoder.parameters())
        return (
            Adam(self.critic.parameters(), learning_rate, ADAM_BETAS),
            Adam(inverse, learning_rate, ADAM_BETAS),
        )

    def learn(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        """Several steps of the critic, one of generator and encoder; returns the loss the stop block judges by."""
        of_critic, of_inverse = optimisers
        for _ in range(CRITIC_STEPS):
            with torch.no_grad():
                real, made = self._pairs(windows)
            descend(critic_loss(self.critic, real, made), of_critic)
        real, made = self._pairs(windows)
        descend(self.critic(real).mean() - self.critic(made).mean(), of_inverse)
        with torch.no_grad():
            return self.training_loss(windows).item()

    def _pairs(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        drawn = self.generator.sample(len(windows), windows)
        return _beside(windows, self.latent(windows)), _beside(self.generator(drawn), drawn)


def _beside(windows: Tensor, latent: Tensor) -> Tensor:
    return torch.cat((windows.flatten(1), latent), dim=1)
