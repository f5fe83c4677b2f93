"""The figures the demonstration is judged by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IntervalFigures:
    """How good predictions with intervals are.

    Parameters
    ----------
    rmse
        Root mean squared error [unit of the target].
    coverage
        Share of true values inside their interval [1].
    width
        Mean width of the intervals [unit of the target].
    """

    rmse: float
    coverage: float
    width: float

    @classmethod
    def of(
        cls,
        actual: NDArray[np.float64],
        predicted: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
    ) -> "IntervalFigures":
        """Compare `(n,)` predictions and bounds with what was measured."""
        inside = (lower <= actual) & (actual <= upper)
        return cls(
            float(np.sqrt(np.mean((actual - predicted) ** 2))), float(inside.mean()), float(np.mean(upper - lower))
        )


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """How good alarms are, row by row and without point adjustment.

    Parameters
    ----------
    f1
        Harmonic mean of precision and recall [1].
    far, mar
        Share of normal rows that alarm, and of anomalous rows that do not [1].
    """

    f1: float
    far: float
    mar: float

    @classmethod
    def of(cls, actual: NDArray[np.int8], alarmed: NDArray[np.int8]) -> "AlarmFigures":
        """Compare `(n,)` alarms with labels."""
        true_positive = int(np.sum((actual == 1) & (alarmed == 1)))
        false_positive = int(np.sum((actual == 0) & (alarmed == 1)))
        false_negative = int(np.sum((actual == 1) & (alarmed == 0)))
        true_negative = int(np.sum((actual == 0) & (alarmed == 0)))
        return cls(
            f1=_share(2 * true_positive, 2 * true_positive + false_positive + false_negative),
            far=_share(false_positive, false_positive + true_negative),
            mar=_share(false_negative, false_negative + true_positive),
        )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
