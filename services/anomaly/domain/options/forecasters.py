"""Settings of the networks that foretell the newest row of a window."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import WindowNetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnForecasterOptions(WindowNetworkOptions):
    """Convolutions that foretell the newest row of a window.

    Parameters
    ----------
    filters
        Patterns that each of its two blocks looks for.
    dropout
        Share of what it makes of a history that training leaves out [1].
    """

    kind: ClassVar[DetectorKind] = DetectorKind.CNN_FORECASTER
    # A longer history holds more of a lasting fault, and the fault is then foretold.
    window_rows: int = whole(10, 2, 1000)
    filters: int = whole(32, 1, 1024)
    dropout: float = number(0.5, 0.0, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmForecasterOptions(WindowNetworkOptions):
    """LSTM that foretells the newest row of a window.

    Parameters
    ----------
    hidden_units, layers
        Width and depth of the LSTM; by default as wide as twice the sensors, at most 64.
    dropout
        Share of the values after each layer that training leaves out.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.LSTM_FORECASTER
    hidden_units: int | None = whole_or_auto(1, 1024)
    layers: int = whole(1, 1, 4)
    dropout: float = number(0.5, 0.0, 0.9)
