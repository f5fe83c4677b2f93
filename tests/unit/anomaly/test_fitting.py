"""The course of a training: how long an epoch is, when the outside is heard, and what ends it."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from services.anomaly.domain.options.autoencoders import AutoencoderOptions
from services.anomaly.domain.options.sequences import TransformerOptions
from services.anomaly.domain.scaling import fit_scaling
from services.anomaly.domain.training_plan import LEAST_FIT_WINDOWS
from services.anomaly.domain.windows import windows
from services.anomaly.training.beat import Beat, Progress, TrainingCancelled
from services.anomaly.training.families import NetworkTooLarge, build_network
from services.anomaly.training.fit import (
    FitReport,
    TooFewWindows,
    TrainingDiverged,
    fit_network,
    reproducible,
    steps_per_epoch,
)
from services.anomaly.training.network_detector import standardised
from services.anomaly.training.networks.autoencoder import Autoencoder


class SteppingClock:
    """Goes on by the same time whenever it is read."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._now_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._now_s, UTC)

    def monotonic_s(self) -> float:
        self._now_s += self._step_s
        return self._now_s


class Recording(Autoencoder):
    """Notes the batches it is trained and judged on."""

    def __init__(self) -> None:
        super().__init__(2, hidden_layers=1, latent=1)
        self.trained: list[torch.Tensor] = []
        self.judged_rows = 0

    def training_loss(self, windows: torch.Tensor) -> torch.Tensor:
        self.trained.append(windows[:, -1, 0])
        return super().training_loss(windows)

    def stop_loss(self, windows: torch.Tensor) -> torch.Tensor:
        self.judged_rows += len(windows)
        return ((self(windows) - windows) ** 2).mean()


def numbered(count: int) -> np.ndarray:
    """Windows of one row, whose first sensor is their number."""
    return windows(np.stack((np.arange(count), np.zeros(count)), axis=1).astype(np.float32) / count, 1)


def fit(
    network: Autoencoder,
    options: AutoencoderOptions,
    *,
    rows: int = 200,
    stop_rows: int = 50,
    clock: SteppingClock | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> FitReport:
    beat = Beat(clock or SteppingClock(0.0), on_progress=on_progress, should_stop=should_stop)
    return fit_network(network, numbered(rows), numbered(stop_rows), options, on_epoch=lambda _: None, beat=beat)


@pytest.mark.parametrize(
    ("count", "options", "steps"),
    [
        (64, AutoencoderOptions(), 1),
        (65, AutoencoderOptions(), 2),
        (32_000, AutoencoderOptions(), 500),
        (1_000_000, AutoencoderOptions(), 500),
        (1_000_000, AutoencoderOptions(steps_per_epoch=7), 7),
        (64, AutoencoderOptions(steps_per_epoch=7), 7),
    ],
)
def test_epoch_is_one_pass_or_what_can_be_done_in_time(count: int, options: AutoencoderOptions, steps: int):
    assert steps_per_epoch(count, options) == steps


def test_one_pass_shows_every_window_once():
    network = Recording()
    report = fit(network, AutoencoderOptions(epochs=1))
    seen = torch.cat(network.trained) * 200
    assert sorted(seen.round().int().tolist()) == list(range(200))
    assert [len(batch) for batch in network.trained] == [64, 64, 64, 8]
    assert (report.windows, report.steps_per_epoch) == (200, 4)


@pytest.mark.parametrize(("steps", "shown"), [(2, 128), (10, 640)])
def test_asked_number_of_steps_is_taken_over_few_windows_and_over_many(steps: int, shown: int):
    network = Recording()
    fit(network, AutoencoderOptions(epochs=1, steps_per_epoch=steps))
    assert len(network.trained) == steps
    assert sum(len(batch) for batch in network.trained) == shown


def test_capped_epochs_still_show_different_windows():
    network = Recording()
    fit(network, AutoencoderOptions(epochs=6, steps_per_epoch=1, patience_epochs=6))
    assert len(torch.cat(network.trained).unique()) > 150


def test_judging_takes_no_more_windows_than_training():
    network = Recording()
    fit(network, AutoencoderOptions(epochs=1, steps_per_epoch=1), stop_rows=640)
    assert network.judged_rows == 64


def test_progress_within_an_epoch_is_told_once_a_second():
    told: list[Progress] = []
    fit(
        Recording(),
        AutoencoderOptions(epochs=2, steps_per_epoch=10),
        clock=SteppingClock(0.25),
        on_progress=told.append,
    )
    assert [(progress.epoch, progress.step) for progress in told] == [(1, 4), (1, 8), (2, 2), (2, 6), (2, 10)]
    assert told[0].share == pytest.approx(0.2)
    assert told[-1].share == 1.0


def test_training_is_cancelled_within_a_long_epoch():
    network = Recording()
    asked = iter([False, False, True])
    with pytest.raises(TrainingCancelled) as cancelled:
        fit(
            network,
            AutoencoderOptions(steps_per_epoch=1000),
            clock=SteppingClock(0.5),
            should_stop=lambda: next(asked),
        )
    assert cancelled.value.facts["epochs"] == 0
    assert len(network.trained) == 4


def test_hooks_are_left_alone_between_two_seconds():
    asked: list[None] = []
    fit(
        Recording(),
        AutoencoderOptions(epochs=1, steps_per_epoch=50),
        clock=SteppingClock(0.01),
        should_stop=lambda: bool(asked.append(None)),
    )
    assert len(asked) == 1


def test_loss_that_stops_being_a_number_is_named_by_its_step():
    class Breaking(Recording):
        def training_loss(self, windows: torch.Tensor) -> torch.Tensor:
            return super().training_loss(windows) * (float("nan") if len(self.trained) == 5 else 1.0)

    with pytest.raises(TrainingDiverged, match="training loss in step 2 of epoch 2"):
        fit(Breaking(), AutoencoderOptions(epochs=5), rows=150)


def test_stop_loss_that_is_no_number_is_named():
    class Breaking(Recording):
        def stop_loss(self, windows: torch.Tensor) -> torch.Tensor:
            return windows.sum() * float("inf")

    with pytest.raises(TrainingDiverged, match="loss of the stop block after epoch 1"):
        fit(Breaking(), AutoencoderOptions())


@pytest.mark.parametrize(("rows", "stop_rows"), [(LEAST_FIT_WINDOWS - 1, 5), (LEAST_FIT_WINDOWS, 0)])
def test_rows_that_leave_too_few_windows_are_refused(rows: int, stop_rows: int):
    with pytest.raises(TooFewWindows) as refusal:
        fit(Recording(), AutoencoderOptions(), rows=rows, stop_rows=stop_rows)
    assert refusal.value.facts == {"fit_windows": rows, "stop_windows": stop_rows}


def test_random_numbers_of_the_caller_go_on_as_if_nothing_had_been_trained():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with reproducible(1, torch.device("cpu")):
        first = torch.rand(3)
    with reproducible(1, torch.device("cpu")):
        torch.testing.assert_close(torch.rand(3), first, rtol=0.0, atol=0.0)
    torch.testing.assert_close(torch.rand(3), wanted, rtol=0.0, atol=0.0)


def test_rows_are_scaled_in_double_precision_and_cut():
    rows = 1e7 + np.random.default_rng(0).normal(size=(70_000, 2)) * 0.01
    scaling = fit_scaling(rows)
    rows[3] = 1e20
    shown = standardised(rows, scaling)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown[4:], scaling.apply(rows[4:]), atol=1e-6)
    np.testing.assert_array_equal(shown[3], [100.0, 100.0])


def test_network_that_no_memory_would_hold_is_refused_before_it_is_made():
    with pytest.raises(NetworkTooLarge) as refusal:
        build_network(60, TransformerOptions(heads=16, head_width=256, layers=6))
    assert refusal.value.facts["weights"] > 10**9


def test_counting_the_weights_of_a_network_draws_no_random_numbers():
    torch.manual_seed(0)
    network = build_network(4, AutoencoderOptions())
    torch.manual_seed(0)
    again = Autoencoder(4, hidden_layers=2, latent=1)
    assert torch.equal(network.latent(torch.ones(1, 1, 4)), again.latent(torch.ones(1, 1, 4)))
