"""The step of a sensor, as its values show it."""

import numpy as np
from numpy.typing import NDArray

_MOST_DECIMALS = 6


def grid_step(values: NDArray[np.float64]) -> float | None:
    """The coarsest decimal step that all values lie on; `None` for values without a grid.

    Examples
    --------
    >>> grid_step(np.array([20.5, 21.0, 19.75]))
    0.01
    """
    for decimals in range(_MOST_DECIMALS + 1):
        if np.array_equal(values, np.round(values, decimals)):
            return float(f"1e-{decimals}")
    return None
