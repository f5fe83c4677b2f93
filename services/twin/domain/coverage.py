"""Whether a share of hits is still what was promised, or has left its band by more than chance."""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from services.twin.domain.live_settings import CoverageBand

# An alarm needs a count that a sound model has once in a thousand looks at its band's very edge; it ends when one look
# in twenty would be as bad. In between nothing changes, so that it does not flicker.
RAISE_PROBABILITY = 0.001
CLEAR_PROBABILITY = 0.05
# 95 % of the normal distribution.
_Z = 1.959963984540054


class CoverageState(StrEnum):
    """Where the rolling coverage lies."""

    OK = "ok"
    LOW = "low"
    """Too many values outside their intervals: the model or a sensor has drifted."""
    HIGH = "high"
    """Too few: the intervals are wider than they need to be."""


@dataclass(frozen=True, slots=True)
class CoverageAlarm:
    """The state, and since when.

    Parameters
    ----------
    since_ms
        When it was entered; `None` if it never changed [ms since 1970].
    """

    state: CoverageState = CoverageState.OK
    since_ms: int | None = None


def next_state(state: CoverageState, *, covered: int, rows: int, band: CoverageBand) -> CoverageState:
    """Look at the newest rows: raised where chance alone is no explanation, cleared where it is again.

    Parameters
    ----------
    covered, rows
        How many of how many values lay inside their intervals.
    """
    raise_low, clear_low = _low_limits(rows, band.lower)
    # Many hits at the upper edge are few misses at the lower one.
    raise_high, clear_high = _low_limits(rows, 1.0 - band.upper)
    missed = rows - covered
    if covered <= (clear_low if state is CoverageState.LOW else raise_low):
        return CoverageState.LOW
    if missed <= (clear_high if state is CoverageState.HIGH else raise_high):
        return CoverageState.HIGH
    return CoverageState.OK


def likely_range(covered: int, rows: int) -> tuple[float, float]:
    """Between which shares the true coverage lies, with 95 % confidence.

    References
    ----------
    .. [1] Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, JASA 22

    Examples
    --------
    >>> [round(end, 3) for end in likely_range(180, 200)]
    [0.851, 0.934]
    """
    share = covered / rows
    scale = 1.0 + _Z**2 / rows
    centre = (share + _Z**2 / (2 * rows)) / scale
    reach = _Z * math.sqrt(share * (1.0 - share) / rows + _Z**2 / (4 * rows**2)) / scale
    return max(0.0, centre - reach), min(1.0, centre + reach)


@lru_cache(maxsize=4096)
def _low_limits(rows: int, share: float) -> tuple[int, int]:
    """The largest counts whose probability, that count or fewer, stays below each of the two limits; -1 for none."""
    cumulated, raising, clearing = 0.0, -1, -1
    for count in range(rows + 1):
        cumulated += math.exp(
            math.lgamma(rows + 1)
            - math.lgamma(count + 1)
            - math.lgamma(rows - count + 1)
            + count * math.log(share)
            + (rows - count) * math.log1p(-share)
        )
        if cumulated >= CLEAR_PROBABILITY:
            break
        clearing = count
        if cumulated < RAISE_PROBABILITY:
            raising = count
    return raising, clearing
