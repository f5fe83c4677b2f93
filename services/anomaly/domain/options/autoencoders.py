"""Settings of the autoencoders."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
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
        Layers between the sensors and the bottleneck, each side; by default 2, from 32 sensors 3, from 256 on 4.
    noise
        Spread of the Gaussian noise on what it is shown in training [standard deviations].
    masked_share
        Share of the readings that are hidden from it in training [1].
    """

    kind: ClassVar[DetectorKind] = DetectorKind.AUTOENCODER
    latent: int | None = whole_or_auto(1, 4096)
    hidden_layers: int | None = whole_or_auto(1, 4)
    noise: float = number(0.0, 0.0, 10.0)
    masked_share: float = number(0.0, 0.0, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingAutoencoderOptions(AutoencoderOptions):
    """Dense autoencoder that is shown spoilt rows and has to write the clean ones."""

    kind: ClassVar[DetectorKind] = DetectorKind.DENOISING_AUTOENCODER
    noise: float = number(0.3, 0.0, 10.0)
    masked_share: float = number(0.0, 0.0, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseAutoencoderOptions(RowNetworkOptions):
    """Sparse autoencoder of single rows.

    Parameters
    ----------
    latent
        Hidden units; by default four for each sensor, at least 32.
    sparsity
        Wanted mean activation of a hidden unit [1].
    sparsity_weight
        Of the penalty on another activation, beside the mean squared error.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.SPARSE_AUTOENCODER
    latent: int | None = whole_or_auto(1, 4096)
    sparsity: float = number(0.05, 0.001, 0.5)
    sparsity_weight: float = number(10.0, 0.0, 1000.0)


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
