"""A straight trend through values that spikes cannot turn and that resemble their neighbours.

Slope by Theil (1950) and Sen (1968): the median of the slopes of all pairs. Its interval comes from Kendall's
statistic, whose variance is widened after Yue & Wang (2004), "The Mann-Kendall test modified by effective sample size
to detect trend in serially correlated hydrological series", Water Resources Management 18: neighbouring values of a
plant are no independent witnesses.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from services.anomaly.domain.arrays import Floats

# With fewer, ranks say nothing at 90 %.
_LEAST_POINTS = 8
# Values more alike than this are one value for any length of history that is kept.
_MOST_LIKENESS = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted trend.

    Parameters
    ----------
    slope, lower, upper
        Per unit of time, with the interval of the asked confidence.
    centre_time, centre
        Medians of time and value: every slope of the interval turns about this point.
    """

    slope: float
    lower: float
    upper: float
    centre_time: float
    centre: float

    def crossing(self, level: float, slope: float) -> float:
        """Time at which the line of a slope, not 0, reaches a level."""
        return self.centre_time + (level - self.centre) / slope


def fit_line(times: Floats, values: Floats, *, confidence: float) -> Line | None:
    """Fit a trend, or `None` where there are too few values for an interval.

    Parameters
    ----------
    times, values
        `(n,)`; times increase.
    confidence
        Of the interval, in (0, 1) [1].

    Examples
    --------
    >>> t = np.arange(12.0)
    >>> fit_line(t, 2.0 * t, confidence=0.9).slope
    2.0
    """
    n = len(values)
    if n < _LEAST_POINTS:
        return None
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((values[second] - values[first]) / (times[second] - times[first]))
    slope = float(np.median(slopes))
    residuals = values - slope * times
    # Of values on a line, what is left is rounding, and rounding resembles itself.
    straight = bool(np.ptp(residuals) <= _ROUNDING * np.ptp(values))
    variance = n * (n - 1) * (2 * n + 5) / 18.0 * (1.0 if straight else _widening(residuals))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * math.sqrt(variance)
    low, high = math.floor((len(slopes) - reach) / 2.0), math.ceil((len(slopes) + reach) / 2.0)
    if low < 0 or high >= len(slopes):
        return None
    return Line(slope, float(slopes[low]), float(slopes[high]), float(np.median(times)), float(np.median(values)))


def _widening(residuals: Floats) -> float:
    """How many times larger the variance of Kendall's statistic is than for independent values; at least 1."""
    n = len(residuals)
    ranks = np.argsort(np.argsort(residuals, kind="stable"), kind="stable") - (n - 1) / 2.0
    likeness = float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)
    # About a fitted trend, neighbours look less alike than they are, by about (2 + 4 * likeness) / n (Marriott & Pope
    # 1954 for a fitted mean).
    likeness = min(max((n * likeness + 2.0) / (n - 4.0), 0.0), _MOST_LIKENESS)
    lags = np.arange(1, n)
    return 1.0 + 2.0 * float(((1.0 - lags / n) * likeness**lags).sum())
