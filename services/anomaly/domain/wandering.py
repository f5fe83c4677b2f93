"""How far each sensor may wander off after training, judged by how steady it was meanwhile."""

import numpy as np

from services.anomaly.domain.arrays import Floats

# The sum over the lags ends where it is this many times the time it has found (Sokal 1997): further lags are noise.
_SUM_OVER = 5.0
# A random walk is the least steady of all. Over n rows it measures an autocorrelation time of n / 9, and over the n
# rows after them its mean squared distance from their mean is 5 times the variance that it showed: n / 3 + n / 2 steps
# over n / 6.
_WALK_TIME_SHARE = 1.0 / 9.0
_WALK_DEPARTURE = 5.0


def autocorrelation_time(rows: Floats) -> Floats:
    """Rows that are worth one independent row, for the mean of each column [1].

    Parameters
    ----------
    rows
        `(n, c)` in time order; a break between two of them is not known of and counts as none.

    Returns
    -------
    Floats
        `(c,)` from 1, for noise and for what stood still, to about n / 9 for what wanders freely.

    References
    ----------
    .. [1] Sokal (1997), Monte Carlo methods in statistical mechanics: foundations and new algorithms, section 3

    Examples
    --------
    >>> autocorrelation_time(np.array([[0.0], [1.0]] * 50))
    array([1.])
    """
    return np.array([_column_time(column) for column in rows.T])


def score_spacing(scores: Floats, spacing_rows: int) -> float:
    """Rows that are worth one independent score: those that share readings, or more where the plant itself is slow.

    The time is measured, with an error [1]; it counts only where it is beyond twice the error that scores would have
    which share readings and nothing else.

    Parameters
    ----------
    scores
        `(n,)` in time order.
    spacing_rows
        Rows after which two of them share no reading.

    References
    ----------
    .. [1] Madras & Sokal (1988), The pivot algorithm, J. Stat. Phys. 50, equation C.19
    """
    time = float(autocorrelation_time(scores[:, None])[0])
    error = np.sqrt(2.0 * (2.0 * _SUM_OVER * spacing_rows + 1.0) / len(scores))
    return time if time > spacing_rows * (1.0 + 2.0 * error) else float(spacing_rows)


def wander_allowance(residuals: Floats) -> Floats:
    """`(c,)` factors, at least 1, by which the variance of later normal rows may exceed that of these.

    About 1 for a sensor whose rows are independent, 5 for a random walk, and in between by its autocorrelation time.
    """
    share = autocorrelation_time(residuals) / max(len(residuals), 1)
    return np.asarray(1.0 + (_WALK_DEPARTURE - 1.0) * share / _WALK_TIME_SHARE)


def lagged_products(column: Floats) -> Floats:
    """`(n,)` sums of products of `(n,)` readings, apart from their mean, with those so many rows later.

    Examples
    --------
    >>> lagged_products(np.array([0.0, 2.0, 0.0, 2.0])).round(9).tolist()
    [4.0, -3.0, 2.0, -1.0]
    """
    n = len(column)
    if n == 0:
        return column
    # Padded, so that the end is not compared with the beginning; to a power of 2, because twice a prime number of rows
    # takes ten times as long.
    padded = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(column - column.mean(), padded)) ** 2
    return np.asarray(np.fft.irfft(spectrum, padded)[:n])


def _column_time(column: Floats) -> float:
    n, products = len(column), lagged_products(column)
    if n == 0 or not products[0] > 0.0:
        return 1.0
    times = 1.0 + 2.0 * np.cumsum(products[1:] / products[0])
    enough = np.arange(1, n) >= _SUM_OVER * times
    return max(float(times[int(np.argmax(enough))]) if enough.any() else 1.0, 1.0)
