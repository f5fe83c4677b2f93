"""Train a network on normal windows, until a later block no longer gets better."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer

from services.anomaly.domain.options.network import NetworkOptions
from services.anomaly.training.networks.contract import Network
from shared.errors import AppError, Kind

# The network never saw anything this far from normal [standard deviations]. What lies beyond is cut off before the
# network and counted in full by the residual, so that an absurd reading cannot turn a score into NaN.
INPUT_LIMIT = 100.0
# Improvements of the stop block's loss below this are noise.
_LEAST_IMPROVEMENT = 1e-4


class TrainingDiverged(AppError):
    """The loss stopped being a number."""

    kind, code = Kind.INVALID, "anomaly.training_diverged"


class TrainingCancelled(AppError):
    """Somebody asked for the training to stop."""

    kind, code = Kind.CONFLICT, "anomaly.training_cancelled"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the fit block; losses are those of the family [1]."""

    number: int
    of: int
    fit_loss: float
    stop_loss: float


@dataclass(frozen=True, slots=True)
class FitReport:
    """How the training went; the network is the one after `best_epoch`."""

    epochs: tuple[Epoch, ...]
    best_epoch: int

    @property
    def stopped_early(self) -> bool:
        """Whether the stop block ended the training before the last epoch."""
        return len(self.epochs) < self.epochs[-1].of


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core of the processor meanwhile.

    The steps of these networks are too small to share: on a quiet machine a second thread gains nothing, and on a busy
    one the two wait for each other and training takes several times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit_network(
    network: Network,
    fit_windows: NDArray[np.float32],
    stop_windows: NDArray[np.float32],
    options: NetworkOptions,
    *,
    on_epoch: Callable[[Epoch], None],
    should_stop: Callable[[], bool],
) -> FitReport:
    """Train in place and keep the weights that did best on the stop block.

    Parameters
    ----------
    network
        Takes standardised windows.
    fit_windows, stop_windows
        `(n, w, c)` views; only a batch at a time is copied.
    on_epoch
        Called after every epoch.
    should_stop
        Asked before every epoch.

    Raises
    ------
    TrainingDiverged
        If a loss is no longer finite.
    TrainingCancelled
        If `should_stop` said so.
    """
    shuffle = np.random.default_rng(options.seed)
    optimisers = network.optimisers(options.learning_rate)
    epochs: list[Epoch] = []
    best, best_loss, weights = 0, math.inf, copy.deepcopy(network.state_dict())
    for number in range(1, options.epochs + 1):
        if should_stop():
            raise TrainingCancelled(f"training was cancelled after {number - 1} epochs", epochs=number - 1)
        order = shuffle.permutation(len(fit_windows))
        epoch = Epoch(
            number,
            options.epochs,
            _train_once(network, optimisers, fit_windows, order, options.batch_size),
            mean_loss(network, stop_windows),
        )
        if not (math.isfinite(epoch.fit_loss) and math.isfinite(epoch.stop_loss)):
            raise TrainingDiverged(f"the loss is not a number after epoch {number}: lower the learning rate")
        epochs.append(epoch)
        on_epoch(epoch)
        if epoch.stop_loss < best_loss - _LEAST_IMPROVEMENT:
            best, best_loss, weights = number, epoch.stop_loss, copy.deepcopy(network.state_dict())
        if number - best >= options.patience_epochs:
            break
    network.load_state_dict(weights)
    network.eval()
    return FitReport(tuple(epochs), best)


def mean_loss(network: Network, windows: NDArray[np.float32]) -> float:
    """Mean stop loss of `(n, w, c)` windows; NaN without windows."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(windows), 512):
            batch = _tensor(windows[start : start + 512])
            total += float(network.stop_loss(batch)) * len(batch)
    return total / len(windows) if len(windows) else math.nan


def _train_once(
    network: Network,
    optimisers: Sequence[Optimizer],
    windows: NDArray[np.float32],
    order: NDArray[np.int64],
    batch_size: int,
) -> float:
    network.train()
    total = 0.0
    for start in range(0, len(order), batch_size):
        batch = _tensor(windows[order[start : start + batch_size]])
        total += network.learn(batch, optimisers) * len(batch)
    return total / len(order)


def _tensor(windows: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.array(windows, dtype=np.float32))
