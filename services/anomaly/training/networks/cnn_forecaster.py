"""Convolutional forecaster: foretell the newest row from the window before it; what comes otherwise is odd.

Munir et al. (2019), DeepAnT: A Deep Learning Approach for Unsupervised Anomaly Detection in Time Series, IEEE Access 7.
The newest row is no input, so nothing that happens in it can excuse it. Training lowers squared errors, as in all
families here; the paper's lowers absolute ones.

A lasting fault is soon part of the history, and a network that carries every level of a sensor forward foretells it.
Dropout (Srivastava et al. 2014, JMLR 15) keeps it from leaning on few paths: a forecast then stays near what is normal.
"""

from torch import Tensor, nn

from services.anomaly.training.networks.contract import Forecaster

_KERNEL_ROWS = 3
_BLOCKS = 2


class CnnForecaster(Forecaster):
    """Two blocks of convolution and, where two steps are left, pooling; then dense layers.

    Parameters
    ----------
    sensors
        Columns of a row.
    window_rows
        Rows before the newest one, and that one.
    filters
        Patterns that each block looks for.
    dropout
        Share of the summary of a history that training leaves out [1].
    """

    def __init__(self, sensors: int, *, window_rows: int, filters: int, dropout: float = 0.0) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        inputs, steps = sensors, window_rows - 1
        for _ in range(_BLOCKS):
            blocks += [nn.Conv1d(inputs, filters, _KERNEL_ROWS, padding="same"), nn.ReLU()]
            inputs = filters
            if steps > 1:
                blocks.append(nn.MaxPool1d(2))
                steps //= 2
        self.filter = nn.Sequential(*blocks)
        self.compress = nn.Linear(filters * steps, filters)
        self.forecast = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(filters, sensors))

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, filters)`: what the history amounts to."""
        return self._summary(windows[:, :-1])

    def forward(self, history: Tensor) -> Tensor:
        return self.forecast(self._summary(history))

    def _summary(self, history: Tensor) -> Tensor:
        return self.compress(self.filter(history.transpose(1, 2)).flatten(1))
