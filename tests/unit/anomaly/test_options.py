import pytest

from services.anomaly.domain.options.autoencoders import (
    AutoencoderOptions,
    DenoisingAutoencoderOptions,
    LstmAutoencoderOptions,
)
from services.anomaly.domain.options.kinds import DetectorKind, HeadKind, KindUnknown
from services.anomaly.domain.options.preparation import SeasonRule
from services.anomaly.domain.options.reading import Options, OptionsRefused, options_json, parse_options
from services.anomaly.domain.options.statistical import MahalanobisOptions, PcaOptions
from services.anomaly.domain.options.vae import LikelihoodKind, VaeOptions
from shared.errors import JSON


@pytest.mark.parametrize(
    ("kind", "values", "options"),
    [
        ("auto", {}, MahalanobisOptions()),
        ("mahalanobis", {"smoothing_rows": 5}, MahalanobisOptions(smoothing_rows=5)),
        ("pca", {"variance": 0.5}, PcaOptions(variance=0.5)),
        ("autoencoder", {"latent": "auto", "epochs": None}, AutoencoderOptions()),
        ("autoencoder", {"head": "error", "latent": 3}, AutoencoderOptions(head=HeadKind.ERROR, latent=3)),
        ("lstm_autoencoder", {"learning_rate": 1}, LstmAutoencoderOptions(learning_rate=1.0)),
        ("denoising_autoencoder", {"masked_share": 0}, DenoisingAutoencoderOptions()),
        ("vae", {"likelihood": "bernoulli", "beta": 4}, VaeOptions(likelihood=LikelihoodKind.BERNOULLI, beta=4.0)),
    ],
)
def test_options_are_read_with_their_defaults(kind: str, values: dict[str, JSON], options: Options):
    assert parse_options(kind, values) == options


def test_defaults_are_those_of_the_original_specification():
    stated = options_json(LstmAutoencoderOptions())
    wanted = {
        "epochs": 50,
        "learning_rate": 1e-3,
        "batch_size": 64,
        "layers": 2,
        "hidden_units": 64,
        "latent": 32,
        "window_rows": 50,
    }
    assert wanted.items() <= stated.items()


@pytest.mark.parametrize("kind", ["gan", "", "Mahalanobis"])
def test_kind_that_is_not_there_is_refused_with_those_that_are(kind: str):
    with pytest.raises(KindUnknown) as refusal:
        parse_options(kind, {})
    assert refusal.value.facts["available"] == ["auto", *DetectorKind]


@pytest.mark.parametrize(
    ("kind", "values", "pointers"),
    [
        ("mahalanobis", {"epochs": 3}, ["/options/epochs"]),
        ("lstm_autoencoder", {"window_rows": 1}, ["/options/window_rows"]),
        ("lstm_autoencoder", {"window_rows": 1001}, ["/options/window_rows"]),
        ("lstm_autoencoder", {"window_rows": 20.0}, ["/options/window_rows"]),
        ("lstm_autoencoder", {"window_rows": True}, ["/options/window_rows"]),
        ("lstm_autoencoder", {"learning_rate": "fast"}, ["/options/learning_rate"]),
        ("lstm_autoencoder", {"learning_rate": float("nan")}, ["/options/learning_rate"]),
        (
            "lstm_autoencoder",
            {"learning_rate": 10**400, "epochs": 10**400},
            ["/options/epochs", "/options/learning_rate"],
        ),
        ("lstm_autoencoder", {"head": "softmax"}, ["/options/head"]),
        ("vae", {"head": ["error"], "season": {}}, ["/options/head", "/options/season"]),
        ("vae", {"score": "error", "likelihood": "poisson"}, ["/options/likelihood", "/options/score"]),
        ("sparse_autoencoder", {"sparsity": 0}, ["/options/sparsity"]),
        ("cnn_forecaster", {"window_rows": 1}, ["/options/window_rows"]),
        ("pca", {"kind": "pca"}, ["/options/kind"]),
        ("pca", {"variance": 1, "nonsense": 1}, ["/options/nonsense", "/options/variance"]),
    ],
)
def test_option_that_cannot_be_used_is_named(kind: str, values: dict[str, JSON], pointers: list[str]):
    with pytest.raises(OptionsRefused) as refusal:
        parse_options(kind, values)
    assert sorted(fault.pointer for fault in refusal.value.faults) == pointers


def test_denoising_network_is_shown_noise_unless_told_otherwise():
    assert DenoisingAutoencoderOptions().noise > AutoencoderOptions().noise == 0.0


def test_readings_of_a_bernoulli_likelihood_keep_what_the_clock_repeats():
    assert VaeOptions(likelihood=LikelihoodKind.BERNOULLI).season is SeasonRule.KEEP
    assert VaeOptions().season is SeasonRule.AUTO
