"""How many rows a network should see at once, where the caller leaves that to a rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import LIMIT_SHARE
from services.anomaly.domain.options.network import WindowNetworkOptions
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.wandering import lagged_products

LEAST_ROWS = 2
# Longer windows train slowly and blur short faults; shorter ones hold no shape.
_LEAST_PERIOD, _MOST_PERIOD = 8, 200
# Correlation of the sensors with themselves one period earlier that is taken for a period; noise of a few hundred
# rows stays below it.
_LEAST_CORRELATION = 0.4
_LEAST_CYCLES = 3
_AS_HIGH = 0.9


def most_window_rows(rows: int, smoothing_rows: int) -> int:
    """The longest window that leaves enough scored rows in the limit block of `rows` training rows."""
    return max(math.floor(rows * LIMIT_SHARE) - 2 * smoothing_rows + 2, LEAST_ROWS)


@dataclass(frozen=True, slots=True)
class Cap:
    """The longest window there may be, and what sets it."""

    rows: int
    why: str


def caps_of(options: WindowNetworkOptions, *, rows: int, smoothing_rows: int) -> tuple[Cap, ...]:
    """What limits the window of a network: the training rows, and what the caller says of faults and delays."""
    wanted = ((options.fault_rows, "the shortest fault"), (options.max_delay_rows, "the longest delay"))
    caps = (Cap(max(most, LEAST_ROWS), why) for most, why in wanted if most is not None)
    return (Cap(most_window_rows(rows, smoothing_rows), "what the training rows allow"), *caps)


def choose_window(normal: Runs, *, usual_rows: int, caps: Sequence[Cap]) -> tuple[int, str]:
    """Rows of a window, and why: one period of the plant where it has one, otherwise the usual number, within caps.

    A window that holds a whole period lets a network tell a rise from the fall that follows it. One that is longer than
    a fault never holds the fault alone, and its reconstruction may take that long to follow.

    Parameters
    ----------
    normal
        Rows that the network will be fitted on, freed of what the clock explains.
    usual_rows
        The default of the kind.
    caps
        At least one; the tightest counts.
    """
    period = find_period(normal)
    wanted, why = (usual_rows, "no period was found: the usual window") if period is None else (period, "one period")
    tightest = min(caps, key=lambda cap: cap.rows)
    if wanted > tightest.rows:
        return tightest.rows, f"{why} of {wanted} rows, cut to {tightest.why}"
    return wanted, f"{why} of {wanted} rows"


def find_period(normal: Runs) -> int | None:
    """Rows after which the sensors repeat themselves, from 8 to 200; none where they do not.

    The first peak of the mean autocorrelation after it has fallen below 0, in the longest run of consecutive rows.
    """
    edges = np.concatenate(([0], normal.starts, [len(normal)]))
    longest = int(np.argmax(np.diff(edges)))
    correlation = _autocorrelation(normal.rows[edges[longest] : edges[longest + 1]])
    below = np.flatnonzero(correlation < 0.0)
    if not len(below):
        return None
    after = correlation[below[0] :]
    if after.max() < _LEAST_CORRELATION:
        return None
    # Two periods are as good as one, up to chance; the first peak that is as high counts.
    high = after >= _AS_HIGH * after.max()
    peak = int(np.argmax(high))
    width = int(np.argmin(np.append(high[peak:], False)))
    period = int(below[0]) + peak + int(np.argmax(after[peak : peak + width]))
    return period if _LEAST_PERIOD <= period <= _MOST_PERIOD else None


def _autocorrelation(rows: Floats) -> NDArray[np.float64]:
    """Mean over the moving sensors, at each lag of which the rows hold at least three."""
    lags = len(rows) // _LEAST_CYCLES
    if not lags:
        return np.zeros(1)
    moving = rows.std(axis=0) > 1e-12 * np.abs(rows).max(axis=0, initial=0.0)
    if not moving.any():
        return np.zeros(1)
    # One sensor after the other: transforms of all at once would take many times the memory of the rows.
    sums = sum(lagged_products(column / column.std())[:lags] for column in rows.T[moving])
    return np.asarray(sums / moving.sum() / (len(rows) - np.arange(lags)))
