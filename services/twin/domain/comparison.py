"""Whether one version errs less than another on the same observations, however often one looks at the answer.

The errors of a plant's models come in runs: an hour in which a version is off is no sixty independent proofs. And an
experiment is looked at every day until it shows something. The interval and the p-value here bear both: they hold at
all times at once [1]_, with a variance that counts runs [2]_ [3]_ instead of taking errors for independent. The former
asks only that the sum of the errors moves like a Brownian motion, which errors in runs do at the scale of the latter.

Both are statements for large numbers of observations, so nothing is decided before `LEAST_OBSERVATIONS`. What the
false alarms of a small experiment with errors in runs amount to is simulated in the tests.

References
----------
.. [1] Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory and asymptotic
   confidence sequences, Annals of Statistics 52(6), arXiv:2103.06476: the Gaussian mixture
.. [2] Andrews, Monahan (1992), An Improved Heteroskedasticity and Autocorrelation Consistent Covariance Matrix
   Estimator, Econometrica 60(4): whitening by an autoregression first
.. [3] Newey, West (1994), Automatic Lag Selection in Covariance Matrix Estimation, Review of Economic Studies 61(4)
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Order = NDArray[np.intp]

LEAST_OBSERVATIONS = 50
LEVEL = 0.95
# Where the interval is narrowest for its level; it may not depend on the data, and is 1.6 times as wide there as one
# that holds at one moment only.
_NARROWEST_AT = 200
# An autoregression nearer to 1 would make a variance of nothing but its own error [2].
_LARGEST_AUTOREGRESSION = 0.97
# More than this many further observations is "no difference that matters".
_MOST_NEEDED = 1_000_000


class Verdict(StrEnum):
    """What the observations say about a version beside the first one."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference with the interval that holds it at all times with the wanted probability.

    Parameters
    ----------
    mean, half_width
        [unit of what was compared]
    p_value
        Always valid: may be looked at whenever one likes [1].
    """

    mean: float
    half_width: float
    p_value: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out zero."""
        return abs(self.mean) > self.half_width


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version beside the first one of its experiment, on the same observations.

    Parameters
    ----------
    rows
        Observations that both were compared with.
    rmse, mae
        Error of the version minus error of the first one, below zero where the version is better
        [unit of the target].
    needed
        About how many more observations would decide, if the difference stays as it is; `None` where it is decided,
        or too small ever to matter.
    """

    rows: int
    rmse: Difference
    mae: Difference
    verdict: Verdict
    needed: int | None


def compare(first: Vector, other: Vector, by_asset: Order, *, level: float = LEVEL) -> Comparison | None:
    """Compare two versions by their errors.

    Parameters
    ----------
    first, other
        `(n,)` actual minus prediction of each version, by the time of measurement [unit of the target].
    by_asset
        `(n,)` the order by asset, and by time within an asset.
    level
        Wanted probability of the intervals, in (0, 1) [1].

    Returns
    -------
    `None` without observations.
    """
    rows = len(first)
    if not rows:
        return None
    alpha = 1.0 - level
    # The difference of two roots, by that of the mean squares: the sign is exact, the scale to first order.
    scale = math.sqrt(float(np.mean(first**2))) + math.sqrt(float(np.mean(other**2)))
    squares = (other**2 - first**2) / (scale or 1.0)
    rmse, spread = _difference(squares, by_asset, alpha)
    mae, _ = _difference(np.abs(other) - np.abs(first), by_asset, alpha)
    if rows < LEAST_OBSERVATIONS:
        return Comparison(
            rows, rmse, mae, Verdict.UNDECIDED, max(LEAST_OBSERVATIONS, _enough(rmse, spread, alpha)) - rows
        )
    if rmse.decided:
        return Comparison(rows, rmse, mae, Verdict.BETTER if rmse.mean < 0 else Verdict.WORSE, None)
    missing = _enough(rmse, spread, alpha) - rows
    return Comparison(rows, rmse, mae, Verdict.UNDECIDED, missing if missing <= _MOST_NEEDED else None)


def long_run_variance(series: Vector) -> float:
    """`n` times the variance of the mean of a series whose values come in runs; never below the plain variance.

    Parameters
    ----------
    series
        `(n,)` in order.
    """
    centred = series - series.mean()
    plain = float(centred @ centred) / len(centred)
    if len(series) < 3 or plain == 0.0:
        return plain
    before, after = centred[:-1], centred[1:]
    power = float(before @ before)
    slope = float(after @ before) / power if power else 0.0
    # The estimate is too small by about (1 + 3 slope) / n: Kendall (1954), Biometrika 41.
    slope = min(max(slope + (1.0 + 4.0 * slope) / len(series), 0.0), _LARGEST_AUTOREGRESSION)
    rest = after - slope * before
    return max(_newey_west(rest - rest.mean()) / (1.0 - slope) ** 2, plain)


def _newey_west(centred: Vector) -> float:
    rows = len(centred)
    lags = min(int(4.0 * (rows / 100.0) ** (2.0 / 9.0)), rows - 1)
    variance = float(centred @ centred)
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return variance / rows


def _difference(series: Vector, by_asset: Order, alpha: float) -> tuple[Difference, float]:
    """The mean with its interval, and the standard deviation behind it."""
    mean = float(series.mean())
    # Runs within an asset, and what strikes all assets at one time: the larger of the two counts.
    variance = max(long_run_variance(series), long_run_variance(series[by_asset]))
    spread = math.sqrt(variance)
    return Difference(
        mean, _half_width(len(series), spread, alpha), _p_value(len(series), mean, variance, alpha)
    ), spread


def _tuning(alpha: float) -> float:
    """The square of rho that makes the interval narrowest at `_NARROWEST_AT` observations [1]_."""
    return (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / _NARROWEST_AT


def _half_width(rows: int, spread: float, alpha: float) -> float:
    grown = rows * _tuning(alpha) + 1.0
    return spread * math.sqrt(2.0 * grown / (rows**2 * _tuning(alpha)) * math.log(math.sqrt(grown) / alpha))


def _p_value(rows: int, mean: float, variance: float, alpha: float) -> float:
    """The smallest level at which the interval still leaves out zero."""
    if variance == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    grown = rows * _tuning(alpha) + 1.0
    return min(1.0, math.sqrt(grown) * math.exp(-((mean * rows) ** 2) * _tuning(alpha) / (2.0 * variance * grown)))


def _enough(difference: Difference, spread: float, alpha: float) -> int:
    """How many observations would decide if mean and spread stay as they are; above the limit where none would."""
    low, high = 1, 2 * _MOST_NEEDED
    if _half_width(high, spread, alpha) >= abs(difference.mean):
        return 2 * high
    while low < high:
        middle = (low + high) // 2
        if _half_width(middle, spread, alpha) < abs(difference.mean):
            high = middle
        else:
            low = middle + 1
    return low
