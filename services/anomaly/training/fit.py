"""Train a network on normal windows, until a later block no longer gets better."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from services.anomaly.domain.options.network import NetworkOptions
from services.anomaly.domain.runs import Windows
from services.anomaly.domain.training_plan import LEAST_FIT_WINDOWS
from services.anomaly.training.adam import Adam
from services.anomaly.training.beat import Beat, Progress
from services.anomaly.training.networks.contract import Network
from shared.errors import AppError, Kind

# The network never saw anything this far from normal [standard deviations]. What lies beyond is cut off before the
# network and counted in full by the residual, so that an absurd reading cannot turn a score into NaN.
INPUT_LIMIT = 100.0
# Improvements of the stop block's loss below this are noise.
_LEAST_IMPROVEMENT = 1e-4
# Where nobody chose the steps of an epoch it is one pass over the windows, but no more than this: with a million of
# them the stop block is asked, and a training ends, within minutes instead of hours.
_MOST_STEPS = 500
_STOP_BATCH = 512
# How much more of its rows a network may leave unexplained than before it was trained, when it leaves about 1 variance.
# One that went further learned nothing, though its losses were numbers.
_MOST_UNLEARNED = 100.0
_SAMPLE_WINDOWS = 256


class TrainingDiverged(AppError):
    """The loss stopped being a number."""

    kind, code = Kind.INVALID, "anomaly.training_diverged"


class TooFewWindows(AppError):
    """Breaks between the rows leave too few unbroken windows."""

    kind, code = Kind.INVALID, "anomaly.too_few_windows"

    def __init__(self, fit_windows: int, stop_windows: int) -> None:
        super().__init__(
            f"training takes {LEAST_FIT_WINDOWS} windows without a break in the fit block and one in the stop block; "
            f"there are {fit_windows} and {stop_windows}",
            fit_windows=fit_windows,
            stop_windows=stop_windows,
        )


@dataclass(frozen=True, slots=True)
class Epoch:
    """The steps between two looks at the stop block; losses are those of the family [1]."""

    number: int
    of: int
    fit_loss: float
    stop_loss: float


@dataclass(frozen=True, slots=True)
class FitReport:
    """How the training went; the network is the one after `best_epoch`.

    Parameters
    ----------
    windows
        Of the fit block.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    windows: int
    steps_per_epoch: int

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


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Start torch's random numbers from a seed meanwhile, and give the caller's back."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def training_device() -> torch.device:
    """The graphics processor where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def steps_per_epoch(windows: int, options: NetworkOptions) -> int:
    """Batches between two looks at the stop block: a pass over the windows, or fewer, unless somebody chose."""
    if options.steps_per_epoch is not None:
        return options.steps_per_epoch
    return min(math.ceil(windows / options.batch_size), _MOST_STEPS)


def fit_network(
    network: Network,
    fit_windows: NDArray[np.float32] | Windows,
    stop_windows: NDArray[np.float32] | Windows,
    options: NetworkOptions,
    *,
    on_epoch: Callable[[Epoch], None],
    beat: Beat,
) -> FitReport:
    """Train in place, where the network is, and keep the weights that did best on the stop block.

    Parameters
    ----------
    network
        Takes standardised windows.
    fit_windows, stop_windows
        `(n, w, c)` views; only a batch at a time is copied.
    on_epoch
        Called after every epoch.
    beat
        Asked before every epoch, and struck after every step.

    Raises
    ------
    TooFewWindows
        With how many there are.
    TrainingDiverged
        If a loss is no longer finite, or the network is absurdly far from the windows that it learned from.
    TrainingCancelled
        If the beat says so.
    """
    if len(fit_windows) < LEAST_FIT_WINDOWS or len(stop_windows) == 0:
        raise TooFewWindows(len(fit_windows), len(stop_windows))
    steps = steps_per_epoch(len(fit_windows), options)
    # Judging takes no more windows than training: neighbouring ones say nearly the same.
    stride = max(math.ceil(len(stop_windows) / (steps * options.batch_size)), 1)
    course = _Course(
        network,
        fit_windows,
        stop_windows[::stride],
        options,
        on_epoch=on_epoch,
        beat=beat,
        shuffle=np.random.default_rng(options.seed),
        steps=steps,
    )
    sample = fit_windows[:: max(len(fit_windows) // _SAMPLE_WINDOWS, 1)]
    network.eval()
    unlearned = max(mean_squared_residual(network, sample), 1.0)
    best = 0
    for stage in range(network.stages):
        network.begin_stage(stage)
        best = course.run(first=stage * options.epochs + 1)
    network.eval()
    unexplained = mean_squared_residual(network, sample)
    if not unexplained <= _MOST_UNLEARNED * unlearned:
        what = f"the network leaves {unexplained:.3g} variances of its own training rows unexplained"
        raise TrainingDiverged(f"{what}: lower the learning rate", epoch=best)
    return FitReport(tuple(course.epochs), best, len(fit_windows), steps)


def mean_loss(network: Network, windows: NDArray[np.float32] | Windows) -> float:
    """Mean stop loss of `(n, w, c)` windows."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(windows), _STOP_BATCH):
            batch = _tensor(network, windows[start : start + _STOP_BATCH])
            total += float(network.stop_loss(batch)) * len(batch)
    return total / len(windows)


def mean_squared_residual(network: Network, windows: NDArray[np.float32] | Windows) -> float:
    """How much of the newest rows of `(n, w, c)` windows a network leaves unexplained [variances]."""
    with torch.no_grad():
        return float((network.residuals(_tensor(network, windows)) ** 2).mean())


@dataclass(slots=True)
class _Course:
    """The epochs of a training, one stage after the other."""

    network: Network
    windows: NDArray[np.float32] | Windows
    stop_windows: NDArray[np.float32] | Windows
    options: NetworkOptions
    on_epoch: Callable[[Epoch], None]
    beat: Beat
    shuffle: np.random.Generator
    steps: int
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def of(self) -> int:
        """Most epochs there can be."""
        return self.network.stages * self.options.epochs

    def run(self, first: int) -> int:
        """Train from epoch `first` until the stop block is no longer better; returns the epoch it was best after."""
        network, options = self.network, self.options
        optimisers = network.optimisers(options.learning_rate)
        best, best_loss, weights = first - 1, math.inf, copy.deepcopy(network.state_dict())
        for number in range(first, first + options.epochs):
            self.beat.ask(len(self.epochs))
            network.begin_epoch(number - first + 1)
            epoch = Epoch(number, self.of, self._train_once(number, optimisers), mean_loss(network, self.stop_windows))
            _check(epoch.stop_loss, f"the loss of the stop block after epoch {number}", number)
            self.epochs.append(epoch)
            self.on_epoch(epoch)
            if epoch.stop_loss < best_loss - _LEAST_IMPROVEMENT:
                best, best_loss, weights = number, epoch.stop_loss, copy.deepcopy(network.state_dict())
            if number - best >= options.patience_epochs:
                break
        network.load_state_dict(weights)
        return best

    def _train_once(self, number: int, optimisers: Sequence[Adam]) -> float:
        network, size = self.network, self.options.batch_size
        network.train()
        order = self._order()
        total = 0.0
        for step, start in enumerate(range(0, len(order), size), start=1):
            batch = _tensor(network, self.windows[order[start : start + size]])
            loss = network.learn(batch, optimisers)
            _check(loss, f"the training loss in step {step} of epoch {number}", number)
            total += loss * len(batch)
            self.beat.strike(Progress(number, self.of, step, self.steps))
        return total / len(order)

    def _order(self) -> NDArray[np.int64]:
        """Windows of one epoch: shuffled passes over all of them, as many as the steps take."""
        count, size = len(self.windows), self.options.batch_size
        wanted = count if math.ceil(count / size) == self.steps else self.steps * size
        passes = [self.shuffle.permutation(count) for _ in range(math.ceil(wanted / count))]
        return np.concatenate(passes)[:wanted]


def _tensor(network: Network, windows: NDArray[np.float32] | Windows) -> torch.Tensor:
    device = next(network.parameters()).device
    return torch.from_numpy(np.array(windows, dtype=np.float32)).to(device)


def _check(loss: float, what: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(f"{what} is not a number: lower the learning rate", epoch=epoch)
