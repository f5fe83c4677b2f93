"""What is special about the dense, the sparse and the denoising autoencoder and the convolutional forecaster."""

import functools

import numpy as np
import pytest
import torch

from services.anomaly.training.networks.autoencoder import Autoencoder
from services.anomaly.training.networks.cnn_forecaster import CnnForecaster
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.sparse_autoencoder import SparseAutoencoder, auto_code


def rows(count: int = 256, sensors: int = 4) -> torch.Tensor:
    """Single rows of a plant that has two causes: `(n, 1, c)`."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(count, 2))
    mixed = causes @ rng.normal(size=(2, sensors)) + 0.05 * rng.normal(size=(count, sensors))
    return torch.from_numpy(mixed[:, None].astype(np.float32))


def waves(count: int = 300, window_rows: int = 12) -> torch.Tensor:
    phase = np.arange(count + window_rows)[:, None] / 3.0 + np.arange(3)
    table = torch.from_numpy(np.sin(phase).astype(np.float32))
    return torch.stack([table[i : i + window_rows] for i in range(count)])


def trained(network: Network, windows: torch.Tensor, *, steps: int = 300) -> Network:
    network.train()
    optimisers = network.optimisers(0.01)
    for _ in range(steps):
        network.learn(windows, optimisers)
    return network.eval()


@functools.cache
def sparse(sparsity_weight: float) -> SparseAutoencoder:
    torch.manual_seed(0)
    network = SparseAutoencoder(4, latent=32, sparsity=0.05, sparsity_weight=sparsity_weight)
    trained(network, rows())
    return network


def denoising(noise: float = 0.0, masked_share: float = 0.0) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(4, hidden_layers=2, latent=2, noise=noise, masked_share=masked_share)


def test_units_of_a_sparse_code_are_on_as_rarely_as_was_asked():
    with_penalty, without = (sparse(weight).latent(rows()).mean(dim=0).detach() for weight in (10.0, 0.0))
    assert float(with_penalty.median()) == pytest.approx(0.05, abs=0.015)
    assert float(with_penalty.mean()) < 0.6 * float(without.mean())


def test_sparse_code_still_writes_the_row():
    residuals = sparse(10.0).residuals(rows()).detach()
    assert float((residuals**2).mean()) < 0.2 * float((rows() ** 2).mean())


def test_penalty_is_nothing_where_units_are_on_as_asked_and_grows_away_from_there():
    network = SparseAutoencoder(4, latent=3, sparsity=0.1, sparsity_weight=1.0)
    penalties = [float(network.penalty(torch.full((5, 3), activity))) for activity in (0.1, 0.2, 0.5, 1.0)]
    assert penalties[0] == pytest.approx(0.0, abs=1e-6)
    assert penalties == sorted(penalties)
    assert np.isfinite(penalties[-1])


def test_stop_block_judges_a_sparse_code_by_its_error_alone():
    network = sparse(10.0)
    with torch.no_grad():
        assert float(network.stop_loss(rows())) == pytest.approx(float((network.residuals(rows()) ** 2).mean()))


@pytest.mark.parametrize(("sensors", "units"), [(1, 32), (8, 32), (38, 152)])
def test_sparse_code_is_overcomplete(sensors: int, units: int):
    assert auto_code(sensors) == units


@pytest.mark.parametrize(("noise", "masked_share"), [(0.5, 0.0), (0.0, 0.5)])
def test_corruption_is_there_in_training_and_nowhere_else(noise: float, masked_share: float):
    network = denoising(noise, masked_share)
    with torch.no_grad():
        network.train()
        assert float(network.training_loss(rows())) != float(network.training_loss(rows()))
        network.eval()
        assert float(network.stop_loss(rows())) == float(network.stop_loss(rows()))
    torch.testing.assert_close(network.residuals(rows()), network.residuals(rows()), rtol=0.0, atol=0.0)


def test_masked_readings_are_at_their_mean_and_the_others_untouched():
    seen = denoising(masked_share=0.25).corrupted(rows(2000))
    hidden = seen == 0.0
    assert float(hidden.float().mean()) == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(seen[~hidden], rows(2000)[~hidden])


def test_noise_has_the_asked_spread():
    assert float((denoising(noise=0.3).corrupted(rows(2000)) - rows(2000)).std()) == pytest.approx(0.3, abs=0.01)


def test_denoising_network_mends_a_reading_that_a_plain_one_copies():
    spoilt = rows().clone()
    spoilt[:, :, 1] += 2.0
    kept = []
    for noise in (0.0, 1.0):
        network = trained(Autoencoder(4, hidden_layers=1, latent=4, noise=noise), rows())
        with torch.no_grad():
            kept.append(float((network(spoilt)[:, 0, 1] - rows()[:, 0, 1]).abs().mean()))
    assert kept[1] < 0.85 * kept[0]


def test_forecast_does_not_see_the_newest_row():
    network = CnnForecaster(3, window_rows=12, filters=8)
    changed = waves().clone()
    changed[:, -1] += 100.0
    with torch.no_grad():
        shift = network.residuals(changed) - network.residuals(waves())
        torch.testing.assert_close(shift, torch.full_like(shift, 100.0), rtol=0.0, atol=1e-4)
        torch.testing.assert_close(network.latent(changed), network.latent(waves()), rtol=0.0, atol=0.0)


def test_forecast_of_a_regular_plant_is_right():
    torch.manual_seed(0)
    network = trained(CnnForecaster(3, window_rows=12, filters=16), waves())
    with torch.no_grad():
        assert float((network.residuals(waves()) ** 2).mean()) < 0.02 * float((waves()[:, -1] ** 2).mean())


def test_forecast_leaves_nothing_out_when_it_scores():
    network = CnnForecaster(3, window_rows=12, filters=8, dropout=0.5)
    with torch.no_grad():
        network.train()
        assert not torch.equal(network.residuals(waves()), network.residuals(waves()))
        network.eval()
        assert torch.equal(network.residuals(waves()), network.residuals(waves()))


@pytest.mark.parametrize("window_rows", [2, 3, 5, 9, 50])
def test_every_window_that_can_be_asked_for_can_be_foretold(window_rows: int):
    network = CnnForecaster(3, window_rows=window_rows, filters=4)
    assert network.residuals(torch.zeros(2, window_rows, 3)).shape == (2, 3)
