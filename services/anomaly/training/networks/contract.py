"""What training, export and scoring ask of every family of networks.

A family is one file: a `Network` that says what its training lowers, what it cannot explain of the newest row of a
window, and what it makes of a window inside. Windows arrive standardised and cut to a range; outputs are linear.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scaling import Scaling
from services.anomaly.training.adam import Adam

# Exploding gradients are the known weakness of recurrent networks (Pascanu et al. 2013, arXiv:1211.5063).
_GRADIENT_NORM = 5.0


class Network(nn.Module, ABC):
    """A family; the methods take `(b, w, c)` standardised windows, oldest row first."""

    # Parts that are trained one after the other, each until the stop block no longer improves.
    stages: ClassVar[int] = 1

    def begin_stage(self, stage: int) -> None:
        """Turn to a stage, counted from 0: what `optimisers`, `learn` and `stop_loss` are about from now on."""

    def begin_epoch(self, epoch: int) -> None:
        """Turn to an epoch of the stage, counted from 1."""

    def prepare(self, rows: Floats, scaling: Scaling) -> None:
        """Look at all `(n, c)` training rows [units of the sensors] and their scaling, once, before training.

        A family raises here what it cannot model.
        """

    @abstractmethod
    def training_loss(self, windows: Tensor) -> Tensor:
        """The scalar that training lowers, a mean over the windows."""

    def stop_loss(self, windows: Tensor) -> Tensor:
        """The scalar by which a later block judges the training, without noise: a mean over the windows."""
        return self.training_loss(windows)

    @abstractmethod
    def residuals(self, windows: Tensor) -> Tensor:
        """`(b, c)`: what the newest row is more than the network expects [standard deviations]."""

    def error_parts(self, windows: Tensor) -> Tensor:
        """`(b, c)`, not negative: each sensor's part of the family's own raw score, which is their sum.

        By default the mean squared residual of the newest row.
        """
        return self.residuals(windows) ** 2 / windows.shape[-1]

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:  # noqa: ARG002 (for those whose latent is dear)
        """`residuals`, of a caller that has the latents already."""
        return self.residuals(windows)

    def error_parts_at(self, windows: Tensor, latent: Tensor) -> Tensor:  # noqa: ARG002
        """`error_parts`, of a caller that has the latents already."""
        return self.error_parts(windows)

    @abstractmethod
    def latent(self, windows: Tensor) -> Tensor:
        """`(b, k)`: what the network makes of a window inside; means where it is a distribution."""

    def extras(self, windows: Tensor) -> Mapping[str, Tensor]:  # noqa: ARG002 (for those that have any)
        """What a graph can answer beside residuals and latents, by name, `(b, k)` each."""
        return {}

    def optimisers(self, learning_rate: float) -> Sequence[Adam]:
        """What `learn` steps with; one Adam over everything unless a family needs several."""
        return (Adam(self.parameters(), learning_rate),)

    def learn(self, windows: Tensor, optimisers: Sequence[Adam]) -> float:
        """Take one training step; returns the loss before it."""
        loss = self.training_loss(windows)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), _GRADIENT_NORM)
        for optimiser in optimisers:
            optimiser.step()
        return loss.item()


class Reconstruction(Network):
    """A family that writes its window again."""

    @abstractmethod
    def forward(self, windows: Tensor) -> Tensor:
        """`(b, w, c)`: the window as the network writes it."""

    def training_loss(self, windows: Tensor) -> Tensor:
        written: Tensor = self(windows)
        return ((written - windows) ** 2).mean()

    def residuals(self, windows: Tensor) -> Tensor:
        written: Tensor = self(windows)
        return windows[:, -1] - written[:, -1]

    def error_parts_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return self.residuals_at(windows, latent) ** 2 / windows.shape[-1]


class Forecaster(Network):
    """A family that foretells the newest row from the rows before it."""

    @abstractmethod
    def forward(self, history: Tensor) -> Tensor:
        """`(b, c)`: the next row, of `(b, w - 1, c)` rows."""

    def training_loss(self, windows: Tensor) -> Tensor:
        return (self.residuals(windows) ** 2).mean()

    def residuals(self, windows: Tensor) -> Tensor:
        forecast: Tensor = self(windows[:, :-1])
        return windows[:, -1] - forecast
