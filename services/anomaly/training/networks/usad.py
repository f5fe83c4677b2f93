"""USAD: two autoencoders with one encoder; the second learns to tell a window from what the first made of it.

Audibert et al. (2020), USAD: UnSupervised Anomaly Detection on Multivariate Time Series, KDD,
doi:10.1145/3394486.3403392. First both learn to write windows again. With every epoch n that counts less (1/n), and a
game counts more (1 - 1/n): the first writes windows so that the second, reading them, gives back the original; the
second is to fail at that. A fault that the first one smooths over is then amplified by the second.

Two things differ from the paper. Outputs are linear, because standardised sensors are not confined to (0, 1); there
the paper's sigmoid kept the second one's gain finite, here a margin does (Zhao et al. 2017, Energy-based Generative
Adversarial Networks, arXiv:1609.03126). And training stops when the score of a later block no longer improves.
"""

from collections.abc import Sequence

from torch import Tensor

from services.anomaly.training.adam import Adam, descend
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.dense import hidden_widths, stack

# Error from which the second decoder gains nothing by making it larger [variances of a sensor]. A window of independent
# noise, the least that looks like nothing the plant does, is two variances away from a normal one.
_MARGIN = 2.0


class Usad(Network):
    """Dense encoder and two dense decoders of flattened windows.

    Parameters
    ----------
    sensors, window_rows
        Shape of a window.
    hidden_layers
        Layers between a window and its latent, each side.
    latent
        Width of the bottleneck.
    alpha, beta
        Weights of the two errors in the family's own score: of the first autoencoder, and of both in a row.
    """

    def __init__(
        self, sensors: int, *, window_rows: int, hidden_layers: int, latent: int, alpha: float, beta: float
    ) -> None:
        super().__init__()
        inputs = sensors * window_rows
        hidden = hidden_widths(inputs, latent, hidden_layers)
        self.window_shape = (window_rows, sensors)
        self.alpha, self.beta = alpha, beta
        self.epoch = 1
        self.encoder = stack([inputs, *hidden, latent])
        self.first_decoder, self.second_decoder = (stack([latent, *reversed(hidden), inputs]) for _ in range(2))

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` of `(b, w, c)`."""
        return self.encoder(windows.flatten(1))

    def first(self, windows: Tensor) -> Tensor:
        """`(b, w, c)`: windows as the first autoencoder writes them."""
        return self._window(self.first_decoder(self.latent(windows)))

    def second(self, windows: Tensor) -> Tensor:
        """`(b, w, c)`: windows as the second autoencoder writes them."""
        return self._window(self.second_decoder(self.latent(windows)))

    def training_loss(self, windows: Tensor) -> Tensor:
        """The family's own score; what each decoder lowers instead is in `learn`."""
        return self.error_parts(windows).sum(dim=1).mean()

    def learn(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        game = 1.0 - 1.0 / self.epoch
        for_first, for_second = optimisers
        written = self.first(windows)
        loss = (1.0 - game) * _error(windows, written) + game * _error(windows, self.second(written))
        before = descend(loss, for_first)
        fooled = _error(windows, self.second(self.first(windows))).clamp(max=_MARGIN)
        descend((1.0 - game) * _error(windows, self.second(windows)) - game * fooled, for_second)
        return before

    def optimisers(self, learning_rate: float) -> Sequence[Adam]:
        """One for each autoencoder; both move the encoder."""
        return tuple(
            Adam([*self.encoder.parameters(), *decoder.parameters()], learning_rate)
            for decoder in (self.first_decoder, self.second_decoder)
        )

    def residuals(self, windows: Tensor) -> Tensor:
        """`(b, c)`: what the first autoencoder cannot write of the newest row."""
        return windows[:, -1] - self.first(windows)[:, -1]

    def error_parts(self, windows: Tensor) -> Tensor:
        """`(b, c)`: the score of the paper, a sensor's errors added up over the window, as the mean of all readings."""
        written = self.first(windows)
        direct, amplified = (windows - written) ** 2, (windows - self.second(written)) ** 2
        return (self.alpha * direct + self.beta * amplified).sum(dim=1) / windows[0].numel()

    def _window(self, readings: Tensor) -> Tensor:
        return readings.unflatten(1, self.window_shape)  # type: ignore[no-untyped-call]


def _error(windows: Tensor, written: Tensor) -> Tensor:
    return ((windows - written) ** 2).mean()
