"""OmniAnomaly: a recurrent network whose hidden causes are random and follow from each other.

Su et al. (2019), Robust Anomaly Detection for Multivariate Time Series through Stochastic Recurrent Neural Network,
KDD, doi:10.1145/3292500.3330672. A GRU reads the rows; the causes of a row are drawn given its state and the causes of
the row before; a second GRU turns causes into readings. The prior is a linear Gaussian state-space model: causes are
expected to go on from those before. The score is the negative log-likelihood of the newest row.

The planar flows of the paper are left out: with them the divergence can only be sampled, and a later block could not
judge training without noise. The spread of a sensor is learned, but the same for every row. Nothing is random when it
scores: causes are then at their means.
"""

import torch
from torch import Tensor, nn

from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.likelihoods import Gaussian
from services.anomaly.training.networks.vae import LOG_VARIANCE_BOUND


class OmniAnomaly(Network):
    """Two GRUs with a chain of random causes between.

    Parameters
    ----------
    sensors
        Columns of a window.
    hidden_units
        Width of each GRU and of the layer that proposes causes.
    latent
        Hidden causes of a row.
    beta
        Weight of the divergence from the prior in training.
    """

    def __init__(self, sensors: int, *, hidden_units: int, latent: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.likelihood = Gaussian(sensors)
        self.encoder = nn.GRU(sensors, hidden_units, batch_first=True)
        self.from_state = nn.Linear(hidden_units, hidden_units)
        self.from_causes = nn.Linear(latent, hidden_units, bias=False)
        self.to_mean = nn.Linear(hidden_units, latent)
        self.to_log_variance = nn.Linear(hidden_units, latent)
        self.transition = nn.Linear(latent, latent, bias=False)
        # A random walk, before it learns anything better.
        self.transition.weight = nn.Parameter(torch.eye(latent, device="cpu"))
        self.decoder = nn.GRU(latent, hidden_units, batch_first=True)
        self.output = nn.Linear(hidden_units, sensors)

    def mean_causes(self, windows: Tensor) -> Tensor:
        """`(b, w, latent)` means of the causes, each given the means before it."""
        states = self._states(windows)
        causes = [self.to_mean(torch.relu(states[0]))]
        for state in states[1:]:
            causes.append(self.to_mean(torch.relu(state + self.from_causes(causes[-1]))))
        return torch.stack(causes, dim=1)

    def draw_causes(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Drawn causes, their means and the logarithms of their variances, `(b, w, latent)` each."""
        states = self._states(windows)
        steps = [self._draw(states[0])]
        for state in states[1:]:
            steps.append(self._draw(state + self.from_causes(steps[-1][0])))
        drawn, mean, log_variance = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
        return drawn, mean, log_variance

    def decode(self, causes: Tensor) -> Tensor:
        """`(b, w, c)` expected readings of `(b, w, latent)` causes."""
        hidden, _ = self.decoder(causes)
        return self.output(hidden)

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)`: mean causes of the newest row."""
        return self.mean_causes(windows)[:, -1]

    def training_loss(self, windows: Tensor) -> Tensor:
        drawn, mean, log_variance = self.draw_causes(windows)
        # A mean over the readings instead of a sum: the size of a step then does not depend on the window.
        cost = self.likelihood.cost(windows, self.decode(drawn)).mean()
        return cost + self.beta * self._divergence(drawn, mean, log_variance).mean() / windows.shape[-1]

    def stop_loss(self, windows: Tensor) -> Tensor:
        """What the readings cost at the mean causes: the score, for which the later block is to be normal."""
        return self.likelihood.cost(windows, self.decode(self.mean_causes(windows))).mean()

    def residuals(self, windows: Tensor) -> Tensor:
        return windows[:, -1] - self._expected(windows)

    def error_parts(self, windows: Tensor) -> Tensor:
        """`(b, c)`: what each reading of the newest row costs above the least possible [nats]."""
        return self.likelihood.cost(windows[:, -1], self._expected(windows))

    def _expected(self, windows: Tensor) -> Tensor:
        return self.decode(self.mean_causes(windows))[:, -1]

    def _states(self, windows: Tensor) -> tuple[Tensor, ...]:
        """What the rows so far say of the causes of each row: `w` tensors of `(b, hidden_units)`."""
        hidden, _ = self.encoder(windows)
        return self.from_state(hidden).unbind(dim=1)

    def _draw(self, proposal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = torch.relu(proposal)
        mean = self.to_mean(hidden)
        log_variance = self.to_log_variance(hidden).clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance), mean, log_variance

    def _divergence(self, drawn: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """`(b, w)` Kullback-Leibler divergence of each row's causes from what those before let expect [nats]."""
        expected = torch.cat((torch.zeros_like(drawn[:, :1]), self.transition(drawn[:, :-1])), dim=1)
        return 0.5 * ((mean - expected) ** 2 + log_variance.exp() - 1.0 - log_variance).sum(dim=2)
