"""Settings of the autoencoders."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import RowNetworkOptions, WindowNetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderOptions(RowNetworkOptions):
    """Dense autoencoder of single rows.

    Parameters
    ----------
    latent
        Width of the bottleneck; by default 30 % of the sensors, at least 1.
    hidden_layers
        Layers between the sensors and the bottleneck, each side.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.AUTOENCODER
    latent: int | None = whole_or_auto(1, 4096)
    hidden_layers: int = whole(2, 1, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmAutoencoderOptions(WindowNetworkOptions):
    """LSTM autoencoder of windows.

    Parameters
    ----------
    hidden_units, layers, latent
        Width and depth of the encoder and the decoder, and width between them.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.LSTM_AUTOENCODER
    hidden_units: int = whole(64, 1, 1024)
    layers: int = whole(2, 1, 4)
    latent: int = whole(32, 1, 1024)
