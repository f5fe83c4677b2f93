"""Which network belongs to which options; the one list of families."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

from services.anomaly.domain.images import ImageShape
from services.anomaly.domain.options.autoencoders import (
    AutoencoderOptions,
    LstmAutoencoderOptions,
    SparseAutoencoderOptions,
)
from services.anomaly.domain.options.forecasters import CnnForecasterOptions, LstmForecasterOptions
from services.anomaly.domain.options.generative import AnoGanOptions, EgbadOptions, FAnoGanOptions
from services.anomaly.domain.options.images import ImageAutoencoderOptions
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import RowNetworkOptions, WindowNetworkOptions
from services.anomaly.domain.options.sequences import (
    ConvAutoencoderOptions,
    LstmVaeOptions,
    OmniAnomalyOptions,
    TransformerOptions,
    UsadOptions,
)
from services.anomaly.domain.options.vae import LikelihoodKind, VaeOptions
from services.anomaly.training.latent_search import Search
from services.anomaly.training.networks.anogan import AnoGan
from services.anomaly.training.networks.autoencoder import Autoencoder
from services.anomaly.training.networks.bottleneck import auto_window_latent
from services.anomaly.training.networks.cnn_forecaster import CnnForecaster
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.conv_autoencoder import ConvAutoencoder
from services.anomaly.training.networks.dense import auto_hidden_layers, auto_latent
from services.anomaly.training.networks.egbad import Egbad
from services.anomaly.training.networks.fanogan import FAnoGan
from services.anomaly.training.networks.image_autoencoder import ImageAutoencoder
from services.anomaly.training.networks.likelihoods import Bernoulli, Gaussian
from services.anomaly.training.networks.lstm_autoencoder import LstmAutoencoder
from services.anomaly.training.networks.lstm_forecaster import LstmForecaster, auto_hidden_units
from services.anomaly.training.networks.lstm_vae import LstmVae
from services.anomaly.training.networks.omni_anomaly import OmniAnomaly
from services.anomaly.training.networks.sparse_autoencoder import SparseAutoencoder, auto_code
from services.anomaly.training.networks.transformer import Transformer
from services.anomaly.training.networks.usad import Usad
from services.anomaly.training.networks.vae import Vae
from shared.errors import AppError, Kind

FamilyOptions: TypeAlias = RowNetworkOptions | WindowNetworkOptions

# Half a gigabyte in a file, and four times that in training.
_MOST_WEIGHTS = 2**27


class NetworkTooLarge(AppError):
    """The options make a network of these sensors that no file could hold."""

    kind, code = Kind.INVALID, "anomaly.network_too_large"

    def __init__(self, weights: int) -> None:
        super().__init__(
            f"these options make a network of {weights} weights; at most {_MOST_WEIGHTS} can be trained: choose a "
            "shorter window or narrower layers",
            weights=weights,
            limit=_MOST_WEIGHTS,
        )


def _autoencoder(sensors: int, options: AutoencoderOptions) -> Network:
    return Autoencoder(
        sensors,
        hidden_layers=options.hidden_layers or auto_hidden_layers(sensors),
        latent=options.latent or auto_latent(sensors),
        noise=options.noise,
        masked_share=options.masked_share,
    )


def _sparse_autoencoder(sensors: int, options: SparseAutoencoderOptions) -> Network:
    return SparseAutoencoder(
        sensors,
        latent=options.latent or auto_code(sensors),
        sparsity=options.sparsity,
        sparsity_weight=options.sparsity_weight,
    )


def _vae(sensors: int, options: VaeOptions) -> Network:
    window_rows = options.window_rows
    auto = auto_latent(sensors) if window_rows == 1 else auto_window_latent(window_rows, sensors)
    return Vae(
        sensors,
        window_rows=window_rows,
        hidden_layers=options.hidden_layers or auto_hidden_layers(sensors * window_rows),
        latent=options.latent or auto,
        beta=options.beta,
        likelihood=Gaussian(sensors) if options.likelihood is LikelihoodKind.GAUSSIAN else Bernoulli(sensors),
        score=options.score,
    )


def _cnn_forecaster(sensors: int, options: CnnForecasterOptions) -> Network:
    return CnnForecaster(sensors, window_rows=options.window_rows, filters=options.filters, dropout=options.dropout)


def _lstm_autoencoder(sensors: int, options: LstmAutoencoderOptions) -> Network:
    return LstmAutoencoder(sensors, hidden_units=options.hidden_units, layers=options.layers, latent=options.latent)


def _conv_autoencoder(sensors: int, options: ConvAutoencoderOptions) -> Network:
    return ConvAutoencoder(
        sensors,
        window_rows=options.window_rows,
        filters=options.filters,
        layers=options.layers,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        dropout=options.dropout,
    )


def _transformer(sensors: int, options: TransformerOptions) -> Network:
    return Transformer(
        sensors,
        window_rows=options.window_rows,
        width=options.heads * options.head_width,
        heads=options.heads,
        layers=options.layers,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        dropout=options.dropout,
    )


def _usad(sensors: int, options: UsadOptions) -> Network:
    return Usad(
        sensors,
        window_rows=options.window_rows,
        hidden_layers=options.hidden_layers,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        alpha=options.alpha,
        beta=options.beta,
    )


def _lstm_vae(sensors: int, options: LstmVaeOptions) -> Network:
    return LstmVae(
        sensors,
        hidden_units=options.hidden_units,
        layers=options.layers,
        latent=options.latent or auto_latent(sensors),
        beta=options.beta,
    )


def _omni_anomaly(sensors: int, options: OmniAnomalyOptions) -> Network:
    return OmniAnomaly(
        sensors,
        hidden_units=options.hidden_units,
        latent=options.latent or auto_latent(sensors),
        beta=options.beta,
    )


def _lstm_forecaster(sensors: int, options: LstmForecasterOptions) -> Network:
    return LstmForecaster(
        sensors,
        hidden_units=options.hidden_units or auto_hidden_units(sensors),
        layers=options.layers,
        dropout=options.dropout,
    )


def _fanogan(sensors: int, options: FAnoGanOptions) -> Network:
    return FAnoGan(
        options.window_rows,
        sensors,
        hidden_units=options.hidden_units,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        feature_weight=options.feature_weight,
    )


def _egbad(sensors: int, options: EgbadOptions) -> Network:
    return Egbad(
        options.window_rows,
        sensors,
        hidden_units=options.hidden_units,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        window_weight=options.window_weight,
    )


def _anogan(sensors: int, options: AnoGanOptions) -> Network:
    return AnoGan(
        options.window_rows,
        sensors,
        hidden_units=options.hidden_units,
        latent=_window_latent(sensors, options.window_rows, options.latent),
        settings=Search(options.search_steps, options.search_rate, options.feature_weight),
    )


def _window_latent(sensors: int, window_rows: int, latent: int | None) -> int:
    return auto_window_latent(window_rows, sensors) if latent is None else latent


# Each takes the number of sensors and the options of its own kind.
_FAMILIES: Mapping[DetectorKind, Callable[[int, Any], Network]] = {
    DetectorKind.AUTOENCODER: _autoencoder,
    DetectorKind.DENOISING_AUTOENCODER: _autoencoder,
    DetectorKind.SPARSE_AUTOENCODER: _sparse_autoencoder,
    DetectorKind.VAE: _vae,
    DetectorKind.LSTM_AUTOENCODER: _lstm_autoencoder,
    DetectorKind.CONV_AUTOENCODER: _conv_autoencoder,
    DetectorKind.TRANSFORMER: _transformer,
    DetectorKind.USAD: _usad,
    DetectorKind.LSTM_VAE: _lstm_vae,
    DetectorKind.OMNI_ANOMALY: _omni_anomaly,
    DetectorKind.CNN_FORECASTER: _cnn_forecaster,
    DetectorKind.LSTM_FORECASTER: _lstm_forecaster,
    DetectorKind.FANOGAN: _fanogan,
    DetectorKind.EGBAD: _egbad,
    DetectorKind.ANOGAN: _anogan,
}


def build_network(sensors: int, options: FamilyOptions, image_shape: ImageShape | None = None) -> Network:
    """An untrained network for windows of `sensors` columns; its weights come from torch's random numbers.

    Raises
    ------
    NetworkTooLarge
        Before any memory is taken.
    """
    # On this device layers have a shape and no numbers. What a network computes beside its layers names another one:
    # computing without numbers would load torch's compiler.
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in _build(sensors, options, image_shape).parameters())
    if weights > _MOST_WEIGHTS:
        raise NetworkTooLarge(weights)
    return _build(sensors, options, image_shape)


def _build(sensors: int, options: FamilyOptions, image_shape: ImageShape | None) -> Network:
    if isinstance(options, ImageAutoencoderOptions) and image_shape is not None:
        return ImageAutoencoder(*image_shape, filters=options.filters, layers=options.layers, latent=options.latent)
    return _FAMILIES[options.kind](sensors, options)
