"""Windows over rows that look back only, made without copying a row."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats

Real = TypeVar("Real", np.float32, np.float64)


def windows(rows: NDArray[Real], length: int) -> NDArray[Real]:
    """Every stretch of `length` consecutive rows, as a read-only view.

    Parameters
    ----------
    rows
        `(n, c)`, oldest first.
    length
        Rows in a window, at least 1.

    Returns
    -------
    NDArray
        `(max(n - length + 1, 0), length, c)`; window `i` ends at row `i + length - 1`.

    Examples
    --------
    >>> windows(np.array([[1.0], [2.0], [3.0]]), 2)[:, :, 0].tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    if len(rows) < length:
        return np.empty((0, length, rows.shape[1]), rows.dtype)
    return np.lib.stride_tricks.sliding_window_view(rows, length, axis=0).transpose(0, 2, 1)


def causal_mean(rows: Floats, length: int) -> Floats:
    """Mean of each row and the `length - 1` rows before it.

    Every mean is summed from its own rows. A running sum would be faster, but then a score would depend, in its last
    digits, on where its batch began, and one absurd reading would spoil all that follow.

    Parameters
    ----------
    rows
        `(n, c)`, oldest first.
    length
        Rows in a mean, at least 1.

    Returns
    -------
    Floats
        `(max(n - length + 1, 0), c)`; mean `i` ends at row `i + length - 1`.

    Examples
    --------
    >>> causal_mean(np.array([[1.0], [2.0], [6.0]]), 2)[:, 0].tolist()
    [1.5, 4.0]
    """
    return np.asarray(windows(rows, length).mean(axis=1))
