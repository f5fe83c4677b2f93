"""The yield of the reactor as a function of how it is run, and a data set to learn it from."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from futago.plant.tags import TAGS

YIELD_RANGES: dict[str, tuple[float, float]] = {"temp": (340.0, 380.0), "pressure": (4.0, 8.0), "flow": (80.0, 120.0)}
"""Where the reactor is run and the surface below holds: °C, bar, kg/h."""


Value = TypeVar("Value", float, NDArray[np.float64])


def yield_pct(temp_c: Value, pressure_bar: Value) -> Value:
    """Yield with fresh catalyst [%], of one operating point or of arrays of them.

    A quadratic surface with its best at 360 °C and 6 bar. The flow has no part in it: within 80-120 kg/h the
    residence time is long enough.

    References
    ----------
    .. [1] Box and Draper (2007), Response Surfaces, Mixtures, and Ridge Analyses: second-order models around an
       optimum.

    Examples
    --------
    >>> yield_pct(360.0, 6.0)
    85.0
    >>> yield_pct(370.0, 5.0)
    78.0
    """
    return 85.0 - 0.05 * (temp_c - 360.0) ** 2 - 2.0 * (pressure_bar - 6.0) ** 2


@dataclass(frozen=True, slots=True)
class YieldData:
    """Operating points and the yield measured at each.

    Parameters
    ----------
    columns, units
        Name and unit of each input.
    rows
        `(n, 3)` readings, quantised as the sensors report them.
    target
        `(n,)` measured yield [%].
    """

    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: NDArray[np.float64]
    target: NDArray[np.float64]


def yield_dataset(n: int, seed: int) -> YieldData:
    """Measured yields at `n` operating points spread evenly over the operating window.

    The true operating point decides the yield; temperature, pressure and flow are what the sensors made of it.

    Raises
    ------
    ValueError
        If `n` is not positive.
    """
    if n <= 0:
        raise ValueError(f"a data set needs at least one row, not {n}")
    rng = np.random.default_rng(seed)
    tags = {tag.name: tag for tag in TAGS}
    columns = tuple(YIELD_RANGES)
    lower, upper = np.array(list(YIELD_RANGES.values())).T
    true_rows = rng.uniform(lower, upper, size=(n, len(columns)))
    noise = np.array([tags[name].noise for name in columns])
    resolution = np.array([tags[name].resolution for name in columns])
    read_rows = np.clip(_quantised(true_rows + rng.normal(size=true_rows.shape) * noise, resolution), lower, upper)
    analyser = tags["yield"]
    true_yield = yield_pct(true_rows[:, 0], true_rows[:, 1])
    target = _quantised(true_yield + rng.normal(0.0, analyser.noise, n), np.array(analyser.resolution))
    return YieldData(columns, tuple(tags[name].unit for name in columns), read_rows, target)


def _quantised(values: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    # A converter counts in steps; ten decimals remove what binary fractions add to a count times a step.
    return np.round(np.round(values / step) * step, 10)
