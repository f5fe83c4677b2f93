"""Windows over rows that look back only, made without copying a row."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats

Real = TypeVar("Real", np.float32, np.float64)

# Readings that a model is given at once: half a megabyte stays in the cache, and a model's own numbers beside it.
_BLOCK_READINGS = 2**16
# Fewer windows do not fill its vector units; more gain nothing.
_LEAST_BLOCK, _MOST_BLOCK = 64, 1024


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


def block_windows(length: int, columns: int) -> int:
    """How many windows a model is given at once; they are copied for it.

    Measured with networks of every family, windows of 1 to 50 rows and 8 to 60 columns, on one core: blocks of 512 took
    up to half as long again for long windows, and blocks of 64 three times as long for single rows.

    Examples
    --------
    >>> block_windows(length=50, columns=38), block_windows(length=50, columns=8), block_windows(length=1, columns=8)
    (64, 163, 1024)
    """
    return min(max(_BLOCK_READINGS // (length * columns), _LEAST_BLOCK), _MOST_BLOCK)


def causal_mean(rows: Floats, length: int) -> Floats:
    """Mean of each row and the `length - 1` rows before it.

    Every mean is summed from its own rows, in an order that its length alone decides: pairs, pairs of pairs, and so on,
    which neighbouring means share. A running sum would be no faster, but then a score would depend, in its last digits,
    on where its batch began, and one absurd reading would spoil all that follow.

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
    if length == 1:
        return rows
    means = max(len(rows) - length + 1, 0)
    total, summed, stretch, stretch_rows = np.zeros((means, rows.shape[1])), 0, rows, 1
    while means:
        if length & stretch_rows:
            total += stretch[summed : summed + means]
            summed += stretch_rows
        if summed == length:
            break
        stretch, stretch_rows = stretch[:-stretch_rows] + stretch[stretch_rows:], 2 * stretch_rows
    return total / length
