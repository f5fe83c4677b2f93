"""LSTM forecaster: what is the next row, given those before it?

Malhotra et al. (2015), Long Short Term Memory Networks for Anomaly Detection in Time Series, ESANN; Hundman et al.
(2018), Detecting Spacecraft Anomalies Using LSTMs and Nonparametric Dynamic Thresholding, arXiv:1802.04431. The newest
row is not among what the network sees, so it cannot be copied and no bottleneck is needed.

A forecaster follows its plant: a shift that lasts longer than a window may become what it expects. The states of an
LSTM are bounded, so it follows a shift only as far as it saw the plant move in training.
"""

from torch import Tensor, nn

from services.anomaly.training.networks.contract import Forecaster

# Wider and deeper ones learn a few hundred rows by heart: later normal rows are then odd to them, and the limit becomes
# too high. On 23 pump runs of 8 sensors (SKAB), 16 units did better than 32, and these better than two layers of 64.
_UNITS_PER_SENSOR, _MOST_UNITS = 2, 64


def auto_hidden_units(sensors: int) -> int:
    """Width where nobody chose it: twice the sensors, at most 64."""
    return min(_UNITS_PER_SENSOR * sensors, _MOST_UNITS)


class LstmForecaster(Forecaster):
    """A stack of LSTMs and a linear layer on its last state.

    Parameters
    ----------
    sensors
        Columns of a window.
    hidden_units, layers
        Width and depth of the stack.
    dropout
        Share of the values between layers, and between the last one and the output, that training leaves out.
    """

    def __init__(self, sensors: int, *, hidden_units: int, layers: int, dropout: float) -> None:
        super().__init__()
        # torch warns of a dropout that has no place between layers.
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(sensors, hidden_units, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_units, sensors)

    def forward(self, history: Tensor) -> Tensor:
        """`(b, c)`: the row after `(b, w - 1, c)` standardised rows."""
        return self.output(self.dropout(self._memory(history)))

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, hidden_units)`: what is remembered of the rows before the newest."""
        return self._memory(windows[:, :-1])

    def _memory(self, history: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(history)
        return hidden[-1]
