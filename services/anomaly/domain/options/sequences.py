"""Settings of the networks that write their window again."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import WindowNetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvAutoencoderOptions(WindowNetworkOptions):
    """Convolutional autoencoder of windows.

    Parameters
    ----------
    filters, layers
        Filters of the first convolution, halved by each further one, and convolutions on each side.
    latent
        Width of the bottleneck; by default 10 % of the readings in a window, at most 16.
    dropout
        Share of the feature maps that training leaves out.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.CONV_AUTOENCODER
    filters: int = whole(32, 1, 1024)
    layers: int = whole(2, 1, 4)
    latent: int | None = whole_or_auto(1, 1024)
    dropout: float = number(0.0, 0.0, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerOptions(WindowNetworkOptions):
    """Transformer autoencoder of windows, with attention among the sensors.

    Parameters
    ----------
    head_width, heads
        Numbers that each attention works with, and attentions side by side; a sensor's token is their product wide.
    layers
        Of the encoder and of the decoder.
    latent
        Width of the bottleneck; by default 10 % of the readings in a window, at most 16.
    dropout
        Share of what each layer adds that training leaves out.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.TRANSFORMER
    head_width: int = whole(16, 1, 256)
    heads: int = whole(4, 1, 16)
    layers: int = whole(1, 1, 6)
    latent: int | None = whole_or_auto(1, 1024)
    dropout: float = number(0.1, 0.0, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsadOptions(WindowNetworkOptions):
    """Two autoencoders of windows with one encoder, trained against each other.

    Parameters
    ----------
    latent
        Width of the bottleneck; by default 10 % of the readings in a window, at most 16.
    hidden_layers
        Layers on each side.
    alpha, beta
        With `head: error`, weights of the error of the first autoencoder and of both in a row. More of the second finds
        smaller faults and gives more false alarms.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.USAD
    latent: int | None = whole_or_auto(1, 1024)
    hidden_layers: int = whole(2, 1, 4)
    alpha: float = number(0.5, 0.0, 1.0)
    # Without the second it would be an ordinary autoencoder.
    beta: float = number(0.5, 1e-3, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmVaeOptions(WindowNetworkOptions):
    """LSTM variational autoencoder of windows.

    Parameters
    ----------
    hidden_units, layers
        Width and depth of the encoder and the decoder.
    latent
        Hidden causes of a row; by default 30 % of the sensors, at least 1.
    beta
        Weight of the divergence from the prior.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.LSTM_VAE
    hidden_units: int = whole(32, 1, 1024)
    layers: int = whole(1, 1, 4)
    latent: int | None = whole_or_auto(1, 1024)
    beta: float = number(1.0, 0.0, 1000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OmniAnomalyOptions(WindowNetworkOptions):
    """Stochastic recurrent network of windows.

    Parameters
    ----------
    window_rows
        Rows in a window; a few hundred at most, because the graph has a part for every row.
    hidden_units
        Width of the encoder and the decoder.
    latent
        Hidden causes of a row; by default 30 % of the sensors, at least 1.
    beta
        Weight of the divergence from the prior.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.OMNI_ANOMALY
    window_rows: int = whole(50, 2, 300)
    hidden_units: int = whole(32, 1, 1024)
    latent: int | None = whole_or_auto(1, 1024)
    beta: float = number(1.0, 0.0, 1000.0)
