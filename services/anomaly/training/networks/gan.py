"""A generative adversarial network of windows: what the detectors that learn by imitation share.

Goodfellow et al. (2014), Generative Adversarial Nets, arXiv:1406.2661, trained as a Wasserstein GAN with a gradient
penalty: Gulrajani et al. (2017), Improved Training of Wasserstein GANs, arXiv:1704.00028. The penalty keeps the critic
useful however far it is ahead, so that a few hundred windows and fixed settings suffice; spectral normalisation (Miyato
et al. 2018) would have to be unwound again before the critic is exported. Layers are dense: windows are short. The
generator ends linearly, because standardised sensors are not confined to (-1, 1).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from services.anomaly.training.adam import Adam, descend
from services.anomaly.training.latent_search import Search, search
from services.anomaly.training.networks.contract import Network

# Slope of the leaky ReLU below zero, and settings of Adam: Gulrajani et al. (2017), algorithm 1 and appendix.
SLOPE = 0.2
CRITIC_STEPS = 5
PENALTY_WEIGHT = 10.0
ADAM_BETAS = (0.5, 0.9)
_COVERAGE_SEARCH = Search(steps=50, rate=0.1, feature_weight=0.0)


def dense(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths with leaky ReLU between them; the last one is linear."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1])


class Generator(nn.Module):
    """Writes a `(w, c)` window of every `(latent,)` vector of standard normal numbers."""

    def __init__(self, window_rows: int, sensors: int, *, hidden_units: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.window = (window_rows, sensors)
        self.layers = dense([latent, hidden_units, 2 * hidden_units, window_rows * sensors])

    def forward(self, latent: Tensor) -> Tensor:
        """`(b, w, c)` of `(b, latent)`."""
        return self.layers(latent).unflatten(1, self.window)

    def sample(self, count: int, like: Tensor) -> Tensor:
        """`(count, latent)` draws of what it is trained to be fed, beside the tensor `like`."""
        return torch.randn((count, self.latent), device=like.device)


class Critic(nn.Module):
    """Judges how much a vector is like one of the training's; `features` is what it looks at.

    Parameters
    ----------
    inputs
        Numbers it judges at once.
    """

    def __init__(self, inputs: int, *, hidden_units: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Linear(inputs, 2 * hidden_units),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * hidden_units, hidden_units),
            nn.LeakyReLU(SLOPE),
        )
        self.verdict = nn.Linear(hidden_units, 1)

    def forward(self, judged: Tensor) -> Tensor:
        """`(b, 1)`, larger for what is more like the training's, of `(b, inputs)`."""
        return self.verdict(self.features(judged))


def critic_loss(critic: Critic, real: Tensor, made: Tensor) -> Tensor:
    """What the critic lowers: it tells the two apart, with a slope of one between them (Gulrajani et al. 2017)."""
    share = torch.rand((len(real), 1), device=real.device)
    between = (share * real + (1.0 - share) * made).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((slope.norm(dim=1) - 1.0) ** 2).mean()
    apart: Tensor = critic(made).mean() - critic(real).mean()
    return apart + PENALTY_WEIGHT * penalty


class Imitation(Network):
    """A family that compares a window with the nearest one its generator can write.

    Parameters
    ----------
    window_rows, sensors
        Shape of a window.
    hidden_units, latent
        Width of the layers, and of what the generator writes from.
    """

    def __init__(self, window_rows: int, sensors: int, *, hidden_units: int, latent: int) -> None:
        super().__init__()
        self.generator = Generator(window_rows, sensors, hidden_units=hidden_units, latent=latent)
        self.critic = Critic(window_rows * sensors, hidden_units=hidden_units)

    def residuals(self, windows: Tensor) -> Tensor:
        return self.residuals_at(windows, self.latent(windows))

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        written: Tensor = self.generator(latent)
        return windows[:, -1] - written[:, -1]

    def error_parts(self, windows: Tensor) -> Tensor:
        return self.error_parts_at(windows, self.latent(windows))

    def feature_difference(self, windows: Tensor, written: Tensor) -> Tensor:
        """`(b, m)`: how far apart the critic sees windows and what the generator wrote of them."""
        seen: Tensor = self.critic.features(windows.flatten(1))
        return seen - self.critic.features(written.flatten(1))

    def uncovered(self, windows: Tensor) -> Tensor:
        """Mean squared distance from what the generator can write, by a search too short to score with.

        A critic's loss says how the game stands, not how good the generator is; this does, without a label.
        """
        latent = search(self.generator.layers, self.critic.features, windows.flatten(1), _COVERAGE_SEARCH)
        return ((windows - self.generator(latent)) ** 2).mean()

    def adversaries(self, learning_rate: float) -> Sequence[Adam]:
        """Optimisers of the critic and of the generator."""
        return tuple(Adam(part.parameters(), learning_rate, ADAM_BETAS) for part in (self.critic, self.generator))

    def play(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        """Several steps of the critic and one of the generator; returns the critic's last loss."""
        of_critic, of_generator = optimisers
        real = windows.flatten(1)
        loss = 0.0
        for _ in range(CRITIC_STEPS):
            with torch.no_grad():
                made = self.generator(self.generator.sample(len(real), real)).flatten(1)
            loss = descend(critic_loss(self.critic, real, made), of_critic)
        made = self.generator(self.generator.sample(len(real), real)).flatten(1)
        descend(-self.critic(made).mean(), of_generator)
        return loss


def shared_out(parts: Tensor, whole: Tensor) -> Tensor:
    """Divide `(b,)` among the sensors as `(b, c)` parts are divided; equally where all parts are zero.

    A difference of features belongs to no sensor. It is caused by the same difference of windows that the parts
    measure, and handed out in their proportion, so that all shares are at least zero and add up exactly.
    """
    sensors = parts.shape[1]
    tiny = torch.finfo(parts.dtype).tiny
    total = parts.sum(dim=1, keepdim=True)
    return whole.unsqueeze(1) * (parts + tiny) / (total + sensors * tiny)
