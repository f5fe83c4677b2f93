from collections.abc import Callable

import numpy as np
import pytest
import torch

from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.options.autoencoders import LstmAutoencoderOptions
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.scaling import fit_scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.beat import Beat, TrainingCancelled, ignore
from services.anomaly.training.export import ParityFailed, ScoringGraph, export, prove_parity
from services.anomaly.training.fit import (
    Epoch,
    FitReport,
    TrainingDiverged,
    fit_network,
)
from services.anomaly.training.networks.autoencoder import Autoencoder
from services.anomaly.training.networks.cnn_forecaster import CnnForecaster
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.conv_autoencoder import ConvAutoencoder
from services.anomaly.training.networks.dense import auto_hidden_layers, auto_latent
from services.anomaly.training.networks.image_autoencoder import ImageAutoencoder
from services.anomaly.training.networks.lstm_autoencoder import LstmAutoencoder
from services.anomaly.training.networks.sparse_autoencoder import SparseAutoencoder
from shared.clock import SystemClock


def sines(rows: int = 300, sensors: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    phase = np.arange(rows)[:, None] / 5.0 + np.arange(sensors)
    return 1e5 + 10.0 * np.sin(phase) + rng.normal(size=(rows, sensors))


def lstm(sensors: int = 3) -> LstmAutoencoder:
    torch.manual_seed(0)
    return LstmAutoencoder(sensors, hidden_units=16, layers=2, latent=4)


def train(
    network: Network,
    options: LstmAutoencoderOptions,
    *,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> FitReport:
    standard = windows(fit_scaling(sines()).apply(sines()).astype(np.float32), 10)
    return fit_network(
        network,
        standard[:200],
        standard[200:],
        options,
        on_epoch=on_epoch,
        beat=Beat(SystemClock(), on_progress=ignore, should_stop=should_stop),
    )


def test_training_lowers_the_loss_and_tells_of_every_epoch():
    told: list[Epoch] = []
    report = train(lstm(), LstmAutoencoderOptions(epochs=8, learning_rate=0.01), on_epoch=told.append)
    assert told == list(report.epochs)
    assert [epoch.number for epoch in told] == list(range(1, 9))
    assert report.epochs[-1].fit_loss < 0.8 * report.epochs[0].fit_loss


def test_training_stops_when_the_later_block_no_longer_improves():
    report = train(lstm(), LstmAutoencoderOptions(epochs=40, learning_rate=1e-7, patience_epochs=2))
    assert report.stopped_early
    assert len(report.epochs) == report.best_epoch + 2


def test_network_keeps_the_weights_of_its_best_epoch():
    network = lstm()
    report = train(network, LstmAutoencoderOptions(epochs=12, learning_rate=0.3, patience_epochs=12))
    best = report.epochs[report.best_epoch - 1]
    standard = windows(fit_scaling(sines()).apply(sines()).astype(np.float32), 10)[200:]
    with torch.no_grad():
        batch = torch.from_numpy(standard.copy())
        assert float(((network(batch) - batch) ** 2).mean()) == pytest.approx(best.stop_loss, rel=1e-4)


def test_same_seed_trains_the_same_network():
    options = LstmAutoencoderOptions(epochs=2, seed=3)
    assert train(lstm(), options) == train(lstm(), options)


def test_other_seed_trains_another_network():
    one = train(lstm(), LstmAutoencoderOptions(epochs=2, seed=3))
    other = train(lstm(), LstmAutoencoderOptions(epochs=2, seed=4))
    assert one != other


def test_cancelled_training_stops_before_the_next_epoch():
    told: list[Epoch] = []
    with pytest.raises(TrainingCancelled):
        train(lstm(), LstmAutoencoderOptions(), on_epoch=told.append, should_stop=lambda: len(told) == 2)
    assert len(told) == 2


def test_loss_that_is_no_number_ends_the_training_by_name():
    broken = lstm()
    torch.nn.init.constant_(broken.output.weight, float("nan"))
    with pytest.raises(TrainingDiverged):
        train(broken, LstmAutoencoderOptions(epochs=1))


@pytest.mark.parametrize("head", HeadKind)
@pytest.mark.parametrize(
    ("network", "window_rows"),
    [
        (lstm(), 10),
        (Autoencoder(3, hidden_layers=2, latent=1), 1),
        (SparseAutoencoder(3, latent=32, sparsity=0.05, sparsity_weight=1.0), 1),
        (CnnForecaster(3, window_rows=10, filters=8), 10),
    ],
    ids=["lstm_autoencoder", "autoencoder", "sparse_autoencoder", "cnn_forecaster"],
)
def test_exported_graph_computes_what_the_network_computes(network: Network, window_rows: int, head: HeadKind):
    rows = sines()
    scored = ScoringGraph(network, fit_scaling(rows), head)
    model = OnnxResidualModel(export(scored, window_rows=window_rows, sensors=3))
    batch = windows(rows, window_rows)
    for size in (1, 2, 77):
        parity = prove_parity(scored, model.residuals(batch[:size]), batch[:size])
        assert parity.windows == size
        assert parity.largest_difference < 1e-5


@pytest.mark.parametrize(
    ("network", "window_rows"),
    [
        (lstm(), 10),
        (Autoencoder(3, hidden_layers=2, latent=1), 1),
        (SparseAutoencoder(3, latent=32, sparsity=0.05, sparsity_weight=1.0), 1),
        (ImageAutoencoder(1, 3, 1, filters=2, layers=1, latent=2), 1),
        (ConvAutoencoder(3, window_rows=10, filters=4, layers=2, latent=2, dropout=0.0), 10),
    ],
    ids=["lstm_autoencoder", "autoencoder", "sparse_autoencoder", "image_autoencoder", "conv_autoencoder"],
)
def test_score_with_the_latents_at_hand_is_the_score_without(network: Network, window_rows: int):
    batch = torch.randn(5, window_rows, 3)
    with torch.no_grad():
        latent = network.latent(batch)
        torch.testing.assert_close(network.residuals_at(batch, latent), network.residuals(batch))
        torch.testing.assert_close(network.error_parts_at(batch, latent), network.error_parts(batch))


def test_graph_keeps_the_digits_of_a_large_reading():
    rows = 1e7 + np.random.default_rng(0).normal(size=(200, 3)) * 0.01
    scored = ScoringGraph(lstm(), fit_scaling(rows), HeadKind.MAHALANOBIS)
    model = OnnxResidualModel(export(scored, window_rows=5, sensors=3))
    batch = windows(rows, 5)
    moved = batch.copy()
    moved[:, -1] += 0.01
    shift = (moved[:, -1] - rows.mean(axis=0)) / rows.std(axis=0) - (batch[:, -1] - rows.mean(axis=0)) / rows.std(
        axis=0
    )
    reconstructed = model.residuals(moved) - model.residuals(batch)
    np.testing.assert_allclose(reconstructed, shift, atol=0.3)


def test_graph_that_computes_something_else_is_not_let_through():
    rows = sines()
    scored = ScoringGraph(lstm(), fit_scaling(rows), HeadKind.MAHALANOBIS)
    batch = windows(rows, 10)[:5]
    with torch.no_grad():
        own = scored(torch.from_numpy(batch.copy()))[0].numpy()
    with pytest.raises(ParityFailed):
        prove_parity(scored, own + 1e-3, batch)


def test_digits_that_a_large_residual_lacks_are_no_difference():
    network, rows = lstm(), sines()
    torch.nn.init.constant_(network.output.bias, 1e6)
    scored = ScoringGraph(network, fit_scaling(rows), HeadKind.MAHALANOBIS)
    batch = windows(rows, 10)[:5]
    with torch.no_grad():
        own = scored(torch.from_numpy(batch.copy()))[0].numpy()
    assert prove_parity(scored, own + 1.0, batch).largest_difference == pytest.approx(1e-6, rel=0.01)


class Astray(LstmAutoencoder):
    """Its loss falls while its output grows."""

    def training_loss(self, windows: torch.Tensor) -> torch.Tensor:
        return -self(windows).clamp(max=1e6).mean()


def test_network_that_learned_nothing_but_large_numbers_is_refused():
    astray = Astray(3, hidden_units=16, layers=1, latent=4)
    with pytest.raises(TrainingDiverged, match="unexplained"):
        train(astray, LstmAutoencoderOptions(epochs=30, learning_rate=1.0))


@pytest.mark.parametrize(("sensors", "latent"), [(1, 1), (3, 1), (8, 2), (52, 16)])
def test_bottleneck_is_thirty_percent_of_the_sensors(sensors: int, latent: int):
    assert auto_latent(sensors) == latent


@pytest.mark.parametrize(("inputs", "layers"), [(1, 2), (31, 2), (32, 3), (255, 3), (256, 4), (1900, 4)])
def test_wide_input_gets_more_layers(inputs: int, layers: int):
    assert auto_hidden_layers(inputs) == layers


def test_dense_network_narrows_towards_the_bottleneck():
    widths = [layer.out_features for layer in Autoencoder(40, hidden_layers=3, latent=5).encoder[::2]]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 5


def test_outputs_are_not_confined_to_a_range():
    for network in (lstm(), Autoencoder(3, hidden_layers=2, latent=1)):
        with torch.no_grad():
            written = network(torch.linspace(-50.0, 50.0, 300).reshape(20, 5, 3))
        assert float(written.min()) < 0.0
