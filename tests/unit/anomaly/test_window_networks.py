from collections.abc import Callable

import numpy as np
import pytest
import torch

from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.scaling import fit_scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.export import ScoringGraph, export, prove_parity
from services.anomaly.training.networks.bottleneck import auto_window_latent
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.conv_autoencoder import ConvAutoencoder
from services.anomaly.training.networks.likelihoods import LEAST_SPREAD
from services.anomaly.training.networks.lstm_forecaster import LstmForecaster, auto_hidden_units
from services.anomaly.training.networks.lstm_vae import LstmVae
from services.anomaly.training.networks.omni_anomaly import OmniAnomaly
from services.anomaly.training.networks.transformer import Transformer
from services.anomaly.training.networks.usad import Usad

SENSORS, WINDOW_ROWS = 3, 7
MAKERS: dict[str, Callable[[], Network]] = {
    "conv_autoencoder": lambda: ConvAutoencoder(
        SENSORS, window_rows=WINDOW_ROWS, filters=8, layers=2, latent=3, dropout=0.2
    ),
    "transformer": lambda: Transformer(
        SENSORS, window_rows=WINDOW_ROWS, width=8, heads=2, layers=2, latent=3, dropout=0.1
    ),
    "usad": lambda: Usad(SENSORS, window_rows=WINDOW_ROWS, hidden_layers=1, latent=3, alpha=0.3, beta=0.7),
    "lstm_forecaster": lambda: LstmForecaster(SENSORS, hidden_units=6, layers=2, dropout=0.2),
    "lstm_vae": lambda: LstmVae(SENSORS, hidden_units=6, layers=1, latent=2, beta=1.0),
    "omni_anomaly": lambda: OmniAnomaly(SENSORS, hidden_units=6, latent=2, beta=1.0),
}


def make(kind: str) -> Network:
    torch.manual_seed(0)
    return MAKERS[kind]().eval()


def batch(size: int = 5, *, window_rows: int = WINDOW_ROWS) -> torch.Tensor:
    return torch.randn((size, window_rows, SENSORS), generator=torch.Generator().manual_seed(1))


def usad(*, alpha: float = 0.5, beta: float = 0.5) -> Usad:
    torch.manual_seed(0)
    return Usad(SENSORS, window_rows=WINDOW_ROWS, hidden_layers=1, latent=2, alpha=alpha, beta=beta)


@pytest.mark.parametrize("head", HeadKind)
@pytest.mark.parametrize("kind", MAKERS)
def test_exported_graph_computes_what_the_network_computes_for_any_number_of_windows(kind: str, head: HeadKind):
    rows = 1e4 + np.random.default_rng(0).normal(size=(90, SENSORS))
    scored = ScoringGraph(make(kind), fit_scaling(rows), head)
    model = OnnxResidualModel(export(scored, window_rows=WINDOW_ROWS, sensors=SENSORS))
    every = windows(rows, WINDOW_ROWS)
    for size in (1, 2, 77):
        assert prove_parity(scored, model.residuals(every[:size]), every[:size]).largest_difference < 1e-5


@pytest.mark.parametrize("kind", MAKERS)
def test_scores_are_never_drawn_by_chance(kind: str):
    network = make(kind)
    with torch.no_grad():
        for judge in (network.residuals, network.error_parts, network.latent, network.stop_loss):
            assert torch.equal(judge(batch()), judge(batch()))


@pytest.mark.parametrize("kind", MAKERS)
def test_parts_of_the_raw_score_are_never_negative(kind: str):
    with torch.no_grad():
        parts = make(kind).error_parts(10.0 * batch(50))
    assert parts.shape == (50, SENSORS)
    assert (parts >= 0.0).all()


@pytest.mark.parametrize("kind", MAKERS)
def test_what_others_have_computed_already_gives_the_same_residuals(kind: str):
    network = make(kind)
    with torch.no_grad():
        at_hand = network.residuals_at(batch(), network.latent(batch()))
        torch.testing.assert_close(at_hand, network.residuals(batch()))


@pytest.mark.parametrize(("rows", "sensors", "latent"), [(2, 1, 1), (10, 8, 8), (50, 8, 16), (1000, 50, 16)])
def test_bottleneck_is_a_tenth_of_a_window_but_never_wide(rows: int, sensors: int, latent: int):
    assert auto_window_latent(rows, sensors) == latent


@pytest.mark.parametrize("window_rows", [2, 3, 7, 8, 9, 50, 51])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_convolutions_restore_every_length_of_window(window_rows: int, layers: int):
    network = ConvAutoencoder(SENSORS, window_rows=window_rows, filters=4, layers=layers, latent=2, dropout=0.0)
    given = batch(window_rows=window_rows)
    assert network(given).shape == given.shape


@pytest.mark.parametrize(("sensors", "units"), [(1, 2), (8, 16), (52, 64)])
def test_forecaster_is_twice_as_wide_as_a_row_but_never_wide(sensors: int, units: int):
    assert auto_hidden_units(sensors) == units


def test_forecast_knows_nothing_of_the_row_it_is_about():
    network, given = make("lstm_forecaster"), batch()
    moved = given.clone()
    moved[:, -1] += 5.0
    with torch.no_grad():
        torch.testing.assert_close(network.residuals(moved) - network.residuals(given), torch.full((5, SENSORS), 5.0))
        assert torch.equal(network.latent(moved), network.latent(given))


def test_attention_is_shared_out_in_full_and_depends_on_the_newest_row():
    network, given = make("transformer"), batch(20)
    assert isinstance(network, Transformer)
    moved = given.clone()
    moved[:, -1, 0] += 5.0
    with torch.no_grad():
        attention = network.attention(given)
        assert (attention > 0.0).all()
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(20))
        assert not torch.allclose(network.attention(moved), attention)


def test_transformer_tells_its_sensors_apart():
    network = make("transformer")
    alike = batch()[:, :, :1].repeat(1, 1, SENSORS)
    with torch.no_grad():
        written = network(alike)
    assert not torch.allclose(written[:, :, 0], written[:, :, 1])


def test_raw_score_of_usad_weighs_the_first_error_and_that_of_both_in_a_row():
    network, given = usad(alpha=0.3, beta=0.7), batch()
    with torch.no_grad():
        written = network.first(given)
        again = network.second(written)
        wanted = (0.3 * (given - written) ** 2 + 0.7 * (given - again) ** 2).mean(dim=(1, 2))
        torch.testing.assert_close(network.error_parts(given).sum(dim=1), wanted)


@pytest.mark.parametrize(("epoch", "game"), [(1, 0.0), (2, 0.5), (10, 0.9)])
def test_game_of_usad_counts_more_with_every_epoch(epoch: int, game: float):
    network, given = usad(), batch()
    with torch.no_grad():
        written = network.first(given)
        plain, played = (((given - seen) ** 2).mean() for seen in (written, network.second(written)))
    network.begin_epoch(epoch)
    loss = network.learn(given, network.optimisers(1e-3))
    assert loss == pytest.approx(float((1.0 - game) * plain + game * played), rel=1e-5)


def test_second_decoder_of_usad_does_not_run_away():
    network, given = usad(), batch(64)
    optimisers = network.optimisers(1e-2)
    for epoch in range(1, 61):
        network.begin_epoch(epoch)
        network.learn(given, optimisers)
    with torch.no_grad():
        assert float(((given - network.second(network.first(given))) ** 2).mean()) < 10.0


@pytest.mark.parametrize("kind", ["lstm_vae", "omni_anomaly"])
def test_raw_score_is_the_cost_of_the_newest_row_above_the_least_possible(kind: str):
    network, given = make(kind), batch()
    with torch.no_grad():
        error = network.residuals(given)
        density = torch.distributions.Normal(0.0, network.likelihood.variance.sqrt())
        least = -torch.distributions.Normal(0.0, LEAST_SPREAD).log_prob(torch.zeros(()))
        torch.testing.assert_close(network.error_parts(given), -density.log_prob(error) - least)


@pytest.mark.parametrize("kind", ["lstm_vae", "omni_anomaly"])
def test_causes_are_drawn_in_training(kind: str):
    network = make(kind)
    with torch.no_grad():
        assert network.training_loss(batch()) != network.training_loss(batch())


def test_causes_of_a_row_follow_from_those_before():
    network, given = make("omni_anomaly"), batch()
    assert isinstance(network, OmniAnomaly)
    with torch.no_grad():
        before = network.mean_causes(given)
        network.from_causes.weight.zero_()
        alone = network.mean_causes(given)
    assert torch.equal(before[:, 0], alone[:, 0])
    assert not torch.allclose(before[:, 1:], alone[:, 1:])


def test_drawn_causes_lie_around_their_means():
    network, given = make("omni_anomaly"), batch()
    assert isinstance(network, OmniAnomaly)
    with torch.no_grad():
        network.to_log_variance.weight.zero_()
        network.to_log_variance.bias.fill_(-1e9)
        drawn, mean, log_variance = network.draw_causes(given)
    torch.testing.assert_close(drawn, mean, atol=0.05, rtol=0.0)
    torch.testing.assert_close(mean, network.mean_causes(given), atol=0.05, rtol=0.0)
    assert torch.isfinite(log_variance).all()
