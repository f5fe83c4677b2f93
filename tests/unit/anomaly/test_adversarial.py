from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.detection import residuals
from services.anomaly.domain.options.generative import AnoGanOptions, EgbadOptions, FAnoGanOptions
from services.anomaly.domain.options.kinds import DetectorKind, HeadKind
from services.anomaly.domain.scaling import fit_scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.beat import Beat, TrainingCancelled
from services.anomaly.training.export import ScoringGraph, export, prove_parity
from services.anomaly.training.families import FamilyOptions, build_network
from services.anomaly.training.fit import Epoch, FitReport, fit_network
from services.anomaly.training.interruptible import Interruptible
from services.anomaly.training.latent_search import Search, search
from services.anomaly.training.networks.anogan import AnoGan
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.egbad import Egbad
from services.anomaly.training.networks.fanogan import FAnoGan
from services.anomaly.training.networks.gan import Critic, critic_loss, shared_out
from shared.clock import SystemClock

SMALL = {"window_rows": 4, "hidden_units": 8, "latent": 3}
NETWORKS: dict[str, FamilyOptions] = {
    "fanogan": FAnoGanOptions(**SMALL),
    "egbad": EgbadOptions(**SMALL),
    "anogan": AnoGanOptions(**SMALL, search_steps=40),
}


def sines(rows: int = 300, sensors: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    phase = np.arange(rows)[:, None] / 5.0 + np.arange(sensors)
    return 1e5 + 10.0 * np.sin(phase) + rng.normal(size=(rows, sensors))


def standard() -> np.ndarray:
    return windows(fit_scaling(sines()).apply(sines()).astype(np.float32), SMALL["window_rows"])


def batch(count: int = 20) -> torch.Tensor:
    return torch.from_numpy(standard()[:count].copy())


def built(name: str) -> Network:
    torch.manual_seed(0)
    return build_network(2, NETWORKS[name]).eval()


def fit(network: Network, options: FamilyOptions, on_epoch: Callable[[Epoch], None]) -> FitReport:
    torch.manual_seed(0)
    beat = Beat(SystemClock(), on_progress=lambda _: None, should_stop=lambda: False)
    return fit_network(network, standard()[:200], standard()[200:], options, on_epoch=on_epoch, beat=beat)


def searched_by_autograd(network: AnoGan, measured: torch.Tensor) -> np.ndarray:
    """The search with torch's own gradients and its own Adam."""
    generator, critic = network.generator.double(), network.critic.double()
    flat, settings = measured.double().flatten(1), network.settings
    latent = torch.zeros((len(flat), SMALL["latent"]), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([latent], lr=settings.rate)
    for _ in range(settings.steps):
        written = generator(latent).flatten(1)
        apart = (flat - written).abs().mean(dim=1)
        features = (critic.features(flat) - critic.features(written)).abs().mean(dim=1)
        adam.zero_grad()
        ((1.0 - settings.feature_weight) * apart + settings.feature_weight * features).sum().backward()
        adam.step()
    return latent.detach().numpy()


@pytest.mark.parametrize("feature_weight", [0.0, 0.1, 1.0])
def test_written_out_search_takes_the_steps_of_autograd_and_adam(feature_weight: float):
    torch.manual_seed(1)
    settings = Search(steps=500, rate=0.01, feature_weight=feature_weight)
    network = AnoGan(4, 2, hidden_units=8, latent=3, settings=settings).double()
    found = search(network.generator.layers, network.critic.features, batch().flatten(1), settings)
    np.testing.assert_allclose(found.detach().numpy(), searched_by_autograd(network, batch()), atol=1e-9)


def test_search_brings_the_written_window_nearer_to_the_measured_one():
    network = built("anogan")
    with torch.no_grad():
        start = (batch() - network.generator(torch.zeros(20, 3))).abs().mean()
        end = (batch() - network.generator(network.latent(batch()))).abs().mean()
    assert float(end) < float(start)


def test_window_is_searched_for_alike_whatever_stands_beside_it():
    network = built("anogan")
    with torch.no_grad():
        together, alone = network.latent(batch())[5], network.latent(batch()[5:6])[0]
    np.testing.assert_allclose(alone.numpy(), together.numpy(), atol=1e-6)


@pytest.mark.parametrize("head", HeadKind)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_exported_graph_computes_what_the_network_computes(name: str, head: HeadKind):
    scored = ScoringGraph(built(name), fit_scaling(sines()), head)
    model = OnnxResidualModel(export(scored, window_rows=4, sensors=2))
    measured = windows(sines(), 4)
    for size in (1, 77):
        parity = prove_parity(scored, model.residuals(measured[:size]), measured[:size])
        assert parity.largest_difference < 1e-5


def test_search_of_full_length_is_exported_with_the_digits_it_has_in_torch():
    torch.manual_seed(0)
    network = AnoGan(4, 2, hidden_units=32, latent=8, settings=Search(500, 0.01, 0.1)).eval()
    scored = ScoringGraph(network, fit_scaling(sines()), HeadKind.MAHALANOBIS)
    model = OnnxResidualModel(export(scored, window_rows=4, sensors=2))
    measured = windows(sines() + 30.0, 4)[:64]
    assert prove_parity(scored, model.residuals(measured), measured).largest_difference < 1e-5


def test_anogan_score_is_the_papers_with_its_two_losses():
    network = built("anogan")
    assert isinstance(network, AnoGan)
    with torch.no_grad():
        written = network.generator(network.latent(batch()))
        seen, wrote = (network.critic.features(some.flatten(1)) for some in (batch(), written))
        wanted = 0.9 * (batch() - written).abs().mean(dim=(1, 2)) + 0.1 * (seen - wrote).abs().mean(dim=1)
        parts = network.error_parts(batch())
    np.testing.assert_allclose(parts.sum(dim=1).numpy(), wanted.numpy(), rtol=1e-5)


def test_fanogan_score_is_the_papers_with_its_two_losses():
    network = built("fanogan")
    assert isinstance(network, FAnoGan)
    with torch.no_grad():
        written = network.generator(network.encoder(batch().flatten(1)))
        seen, wrote = (network.critic.features(some.flatten(1)) for some in (batch(), written))
        wanted = ((batch() - written) ** 2).mean(dim=(1, 2)) + ((seen - wrote) ** 2).mean(dim=1)
        parts = network.error_parts(batch())
    np.testing.assert_allclose(parts.sum(dim=1).numpy(), wanted.numpy(), rtol=1e-5)


def test_egbad_score_is_the_papers_with_its_two_losses():
    network = built("egbad")
    assert isinstance(network, Egbad)
    with torch.no_grad():
        latent = network.encoder(batch().flatten(1))
        written = network.generator(latent)
        seen, wrote = (
            network.critic.features(torch.cat((some.flatten(1), latent), dim=1)) for some in (batch(), written)
        )
        wanted = 0.9 * (batch() - written).abs().mean(dim=(1, 2)) + 0.1 * (seen - wrote).abs().mean(dim=1)
        parts = network.error_parts(batch())
    np.testing.assert_allclose(parts.sum(dim=1).numpy(), wanted.numpy(), rtol=1e-5)


def test_what_no_sensor_owns_is_shared_in_proportion_and_adds_up():
    parts = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    shares = shared_out(parts, torch.tensor([8.0, 5.0]))
    np.testing.assert_allclose(shares.numpy(), [[2.0, 6.0], [2.5, 2.5]])


def test_encoder_is_trained_after_the_generator_and_leaves_it_alone():
    network, told = built("fanogan"), []
    options = FAnoGanOptions(**SMALL, epochs=3, patience_epochs=3, steps_per_epoch=4)
    at_half: dict[str, np.ndarray] = {}

    def on_epoch(epoch: Epoch) -> None:
        told.append(epoch)
        if epoch.number == 4:
            at_half.update({name: value.numpy().copy() for name, value in network.generator.state_dict().items()})

    fit(network, options, on_epoch)
    assert [(epoch.number, epoch.of) for epoch in told] == [(number, 6) for number in range(1, 7)]
    for name, value in network.generator.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), at_half[name])
    assert told[-1].stop_loss < told[3].stop_loss


def test_progress_of_a_stage_that_stopped_early_goes_on_from_its_end():
    network, told = built("fanogan"), []
    fit(
        network,
        FAnoGanOptions(**SMALL, epochs=5, patience_epochs=1, steps_per_epoch=4, learning_rate=1e-7),
        told.append,
    )
    assert [epoch.number for epoch in told][-1] > 5
    assert len(told) < 10


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_training_brings_the_generator_to_later_windows(name: str):
    network, told = built(name), []
    options = type(NETWORKS[name])(**SMALL, epochs=8, patience_epochs=8, steps_per_epoch=8, learning_rate=5e-3)
    fit(network, options, told.append)
    first = [epoch.stop_loss for epoch in told if epoch.number <= 8]
    assert min(first) < 0.8 * first[0]


def test_critic_is_kept_to_a_slope_of_one():
    torch.manual_seed(0)
    critic = Critic(2, hidden_units=8)
    adam = torch.optim.Adam(critic.parameters(), lr=1e-2)
    real, made = torch.randn(64, 2) + 1.0, torch.randn(64, 2) - 1.0
    for _ in range(300):
        adam.zero_grad()
        critic_loss(critic, real, made).backward()
        adam.step()
    between = torch.zeros(1, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between)
    assert float(slope.norm()) == pytest.approx(1.0, abs=0.25)


def test_only_the_searched_kind_is_not_for_streams():
    assert [kind for kind in DetectorKind if not kind.realtime] == [DetectorKind.ANOGAN]


@dataclass
class Searched:
    """A model that counts the blocks it was asked for."""

    window_rows: int = 1
    blocks: int = 0

    def residuals(self, batch: np.ndarray) -> np.ndarray:
        self.blocks += 1
        return batch[:, -1]

    def latent(self, batch: np.ndarray) -> np.ndarray:
        return batch[:, -1, :1]


def test_detector_that_is_being_calibrated_can_be_called_off():
    model, asked = Searched(), []

    def ask() -> None:
        asked.append(model.blocks)
        if len(asked) == 3:
            raise TrainingCancelled("enough", epochs=0)

    with pytest.raises(TrainingCancelled):
        residuals(Interruptible(model, ask), np.zeros((5000, 2)))
    assert model.blocks == 2
