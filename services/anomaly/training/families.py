"""Which network belongs to which options; the one list of families."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from services.anomaly.domain.options.autoencoders import AutoencoderOptions, LstmAutoencoderOptions
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import RowNetworkOptions, WindowNetworkOptions
from services.anomaly.training.networks.autoencoder import Autoencoder, auto_latent
from services.anomaly.training.networks.contract import Network
from services.anomaly.training.networks.lstm_autoencoder import LstmAutoencoder

FamilyOptions: TypeAlias = RowNetworkOptions | WindowNetworkOptions


def _autoencoder(sensors: int, options: AutoencoderOptions) -> Network:
    latent = auto_latent(sensors) if options.latent is None else options.latent
    return Autoencoder(sensors, hidden_layers=options.hidden_layers, latent=latent)


def _lstm_autoencoder(sensors: int, options: LstmAutoencoderOptions) -> Network:
    return LstmAutoencoder(sensors, hidden_units=options.hidden_units, layers=options.layers, latent=options.latent)


# Each takes the number of sensors and the options of its own kind.
_FAMILIES: Mapping[DetectorKind, Callable[[int, Any], Network]] = {
    DetectorKind.AUTOENCODER: _autoencoder,
    DetectorKind.LSTM_AUTOENCODER: _lstm_autoencoder,
}


def build_network(sensors: int, options: FamilyOptions) -> Network:
    """An untrained network for windows of `sensors` columns; its weights come from torch's random numbers."""
    return _FAMILIES[options.kind](sensors, options)
