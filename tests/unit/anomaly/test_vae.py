import numpy as np
import pytest
import torch

from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.options.vae import VaeScore
from services.anomaly.domain.scaling import Scaling, fit_scaling
from services.anomaly.domain.windows import windows
from services.anomaly.library import Detector
from services.anomaly.training.export import ScoringGraph, export, prove_parity
from services.anomaly.training.networks.likelihoods import (
    LEAST_SPREAD,
    Bernoulli,
    Gaussian,
    Likelihood,
    LikelihoodRefused,
)
from services.anomaly.training.networks.vae import Vae, divergence


def readings(count: int = 256) -> torch.Tensor:
    """Four sensors of two causes, the last one far noisier: `(n, 1, 4)`."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(count, 2)) @ np.array([[1.0, 0.0, 0.8, 0.0], [0.0, 1.0, 0.6, 0.0]])
    return torch.from_numpy((mixed + rng.normal(size=(count, 4)) * [0.05, 0.05, 0.05, 1.0])[:, None].astype(np.float32))


def vae(
    *,
    window_rows: int = 1,
    beta: float = 1.0,
    likelihood: Likelihood | None = None,
    score: VaeScore = VaeScore.ELBO,
) -> Vae:
    torch.manual_seed(0)
    return Vae(
        4,
        window_rows=window_rows,
        hidden_layers=2,
        latent=2,
        beta=beta,
        likelihood=likelihood or Gaussian(4),
        score=score,
    )


def trained(network: Vae, *, steps: int = 300) -> Vae:
    network.train()
    optimisers = network.optimisers(0.02)
    for _ in range(steps):
        network.learn(readings(), optimisers)
    network.eval()
    return network


def test_spread_of_each_sensor_is_learned():
    likelihood = Gaussian(4)
    network = trained(vae(likelihood=likelihood))
    with torch.no_grad():
        spread = likelihood.variance.sqrt()
        error = network.residuals(readings()).std(dim=0)
    assert float(spread[3]) == pytest.approx(float(error[3]), rel=0.25)
    assert float(spread[:3].max()) < 0.6 * float(spread[3])


def test_spread_of_a_sensor_that_never_moves_stays_above_the_least():
    likelihood = Gaussian(4)
    network = vae(likelihood=likelihood)
    network.train()
    optimisers = network.optimisers(0.05)
    losses = [network.learn(torch.zeros(64, 1, 4), optimisers) for _ in range(150)]
    assert np.isfinite(losses).all()
    spread = likelihood.variance.detach().sqrt()
    assert LEAST_SPREAD <= float(spread.min()) <= float(spread.max()) < 1.5 * LEAST_SPREAD


def test_higher_beta_leaves_less_divergence():
    divergences = []
    for beta in (0.1, 1.0, 20.0):
        network = trained(vae(beta=beta), steps=150)
        with torch.no_grad():
            divergences.append(float(divergence(*network.encode(readings())).mean()))
    assert divergences[0] > 1.2 * divergences[1] > 2.0 * divergences[2]


@pytest.mark.parametrize("window_rows", [1, 3])
def test_parts_of_the_bound_are_not_negative_and_add_up_to_it(window_rows: int):
    network = vae(window_rows=window_rows, beta=3.0).eval()
    batch = torch.randn(50, window_rows, 4) * 3.0
    with torch.no_grad():
        parts = network.error_parts(batch)
        mean, log_variance = network.encode(batch)
        density = torch.distributions.Normal(network.decode(mean), network.likelihood.variance.sqrt())
        least = -torch.distributions.Normal(0.0, LEAST_SPREAD).log_prob(torch.zeros(()))
        cost = (-density.log_prob(batch) - least).sum(dim=(1, 2))
        wanted = (cost + 3.0 * divergence(mean, log_variance)) / window_rows
    assert (parts >= 0.0).all()
    torch.testing.assert_close(parts.sum(dim=1), wanted, rtol=1e-4, atol=1e-4)


def test_odd_sensor_has_the_largest_part_of_the_bound():
    network = trained(vae(), steps=200)
    odd = readings().clone()
    odd[:, :, 3] += 8.0
    with torch.no_grad():
        parts = network.error_parts(odd)
    assert float((parts.argmax(dim=1) == 3).float().mean()) > 0.9


def test_reconstruction_probability_is_the_same_every_time_and_nearly_that_of_many_draws():
    network = trained(vae(score=VaeScore.PROBABILITY), steps=100)
    with torch.no_grad():
        parts = network.error_parts(readings())
        torch.testing.assert_close(parts, network.error_parts(readings()), rtol=0.0, atol=0.0)
        mean, log_variance = network.encode(readings())
        torch.manual_seed(1)
        drawn = mean + torch.randn(4000, *mean.shape) * torch.exp(0.5 * log_variance)
        wanted = network.likelihood.cost(readings(), network.decode(drawn)).mean(dim=(0, 2))
    assert (parts >= 0.0).all()
    assert float(torch.corrcoef(torch.stack((parts.sum(dim=1), wanted.sum(dim=1))))[0, 1]) > 0.98


def test_residual_is_that_of_the_newest_row_of_the_whole_window():
    network = vae(window_rows=3)
    batch = torch.randn(20, 3, 4)
    with torch.no_grad():
        whole = batch - network.decode(network.latent(batch))
        torch.testing.assert_close(network.residuals(batch), whole[:, -1])


def test_training_draws_and_judging_does_not():
    network = vae()
    with torch.no_grad():
        assert float(network.training_loss(readings())) != float(network.training_loss(readings()))
        assert float(network.stop_loss(readings())) == float(network.stop_loss(readings()))


@pytest.mark.parametrize("score", VaeScore)
@pytest.mark.parametrize("head", HeadKind)
@pytest.mark.parametrize("likelihood", [Gaussian, Bernoulli])
def test_exported_graph_computes_what_the_network_computes(
    score: VaeScore, head: HeadKind, likelihood: type[Likelihood]
):
    rows = np.random.default_rng(0).random((80, 4))
    network = vae(window_rows=3, likelihood=likelihood(4), score=score)
    network.prepare(rows, fit_scaling(rows))
    graph = ScoringGraph(network, fit_scaling(rows), head)
    model = OnnxResidualModel(export(graph, window_rows=3, sensors=4))
    batch = windows(rows, 3)
    for size in (1, 78):
        assert prove_parity(graph, model.residuals(batch[:size]), batch[:size]).largest_difference < 1e-5


@pytest.mark.parametrize("outside", [-0.01, 1.01])
def test_bernoulli_is_refused_for_readings_outside_its_range(outside: float):
    rows = np.random.default_rng(0).random((600, 3))
    rows[-1, 2] = outside
    with pytest.raises(LikelihoodRefused) as refusal:
        Detector("vae", likelihood="bernoulli").fit(rows)
    assert refusal.value.facts["columns"] == [2]


@pytest.mark.parametrize("head", HeadKind)
def test_bernoulli_detector_learns_switches_and_finds_an_impossible_one(head: HeadKind):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, size=(900, 1))
    rows = np.hstack([first, first, 1 - first]).astype(float)
    detector = Detector(
        "vae", likelihood="bernoulli", head=head.value, smoothing_rows=1, learning_rate=0.01, latent=1, seed=3
    ).fit(rows[:700])
    impossible = rows[700:].copy()
    impossible[50] = [1.0, 1.0, 1.0]
    found = detector.detect(impossible)
    assert found.scores[50] == found.scores.max() > 5.0 * np.delete(found.scores, 50).max()
    impossible[50, 2] = 7.0
    assert detector.detect(impossible).scores[50] > found.scores[50]


def test_bernoulli_detector_may_be_trained_briefly_on_a_switch_that_is_always_on():
    rows = np.hstack([np.ones((400, 1)), np.random.default_rng(0).integers(0, 2, size=(400, 1))])
    detector = Detector("vae", likelihood="bernoulli", epochs=1).fit(rows)
    assert np.isfinite(detector.detect(rows).scores[detector.warmup_rows :]).all()


def test_costs_of_a_bernoulli_reading_are_never_negative():
    likelihood = Bernoulli(2)
    scaling = Scaling(np.array([0.3, 0.9]), np.array([0.2, 0.01]), ())
    likelihood.prepare(np.zeros((1, 2)), scaling)
    cost = likelihood.cost(torch.randn(1000, 3, 2) * 30.0, torch.randn(1000, 3, 2) * 30.0)
    assert (cost >= 0.0).all()
    assert torch.isfinite(cost).all()
