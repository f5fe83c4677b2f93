"""Patterns that the clock repeats: the warm afternoon and the night shift are no faults.

Only hours, shifts, days and weeks are looked for. A period that is merely measured is known to a few percent; after
some dozen cycles its pattern would be taken out at the wrong time, and put in. A clock does not run away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.preparation_gaps import Cadence
from services.anomaly.domain.preparation_trend import explained_share

_HOUR_US = 3_600_000_000
PERIODS_US: Mapping[str, int] = {
    "hour": _HOUR_US,
    "shift": 8 * _HOUR_US,
    "day": 24 * _HOUR_US,
    "week": 7 * 24 * _HOUR_US,
}
# Parts of a cycle that get a mean of their own: an hour of a day.
_PHASES: Mapping[str, int] = {"hour": 24, "shift": 24, "day": 24, "week": 168}
_LEAST_CYCLES = 3
# Fewer rows in a cycle say nothing of its shape.
_LEAST_ROWS_A_CYCLE = 6
# Stretches of whole cycles; each is judged by the pattern of the others.
_MOST_STRETCHES = 6
# Share of the variance that a pattern has to explain, in the mean over the stretches and in each of them. One of a
# hundred slow sensors without a pattern passes this by chance after three or four cycles, and none after six.
_LEAST_GAIN, _LEAST_GAIN_EACH = 0.2, 0.1
# A day repeats whatever a shift repeats: the longer cycle has to explain this much more, over all sensors.
_CLEARLY_BETTER = 0.05


@dataclass(frozen=True, slots=True)
class Season:
    """What a sensor usually is above its mean at each time of a cycle.

    Parameters
    ----------
    name
        One of `PERIODS_US`.
    profile
        `(k, c)` at the middle of each k-th part of the cycle, which begins with 1970 in UTC [unit of the sensor]; 0
        for a sensor without the pattern.
    gains
        `(c,)` share of the variance of later rows that the pattern explains; 0 for a sensor without it.
    """

    name: str
    profile: Floats
    gains: Floats

    def at(self, times: Times) -> Floats:
        """`(n, c)` usual values at `(n,)` times [µs]; straight lines between the middles."""
        phases = len(self.profile)
        place = (times % PERIODS_US[self.name]) / PERIODS_US[self.name] * phases - 0.5
        before = np.floor(place).astype(np.int64)
        after_share = (place - before)[:, None]
        return np.asarray(
            self.profile[before % phases] * (1.0 - after_share) + self.profile[(before + 1) % phases] * after_share
        )


def find_season(rows: Floats, times: Times, cadence: Cadence) -> Season | None:
    """The clock pattern that explains most of `(n, c)` rows, where one repeats itself from cycle to cycle.

    Each stretch of cycles is judged by the pattern of the others; the pattern that is kept is fitted on all.
    """
    found: tuple[Season, float] | None = None
    for name, period_us in PERIODS_US.items():
        span_us = int(times[-1] - times[0]) + cadence.step_us
        if span_us < _LEAST_CYCLES * period_us or period_us < _LEAST_ROWS_A_CYCLE * cadence.step_us:
            continue
        season = _season(rows, times, name, cadence)
        explained = 0.0 if season is None else float(season.gains.sum())
        if season is not None and (found is None or explained > found[1] + _CLEARLY_BETTER):
            found = season, explained
    return None if found is None else found[0]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the rows of each part of the cycle, in each of `s` stretches: all that a pattern is fitted from.

    Parameters
    ----------
    counts, clock, clock_squares
        `(s, k)` of the rows themselves, of their times and of the squares of these [cycles].
    values, products
        `(s, k, c)` of the readings, and of these times the clock.
    """

    counts: Floats
    clock: Floats
    clock_squares: Floats
    values: Floats
    products: Floats

    @classmethod
    def of(cls, rows: Floats, clock: Floats, cell: NDArray[np.int64], shape: tuple[int, int]) -> "_Sums":
        """Add up `(n, c)` rows; each belongs to one of the stretches and parts, numbered through."""

        def added(weights: Floats | None) -> Floats:
            return np.bincount(cell, weights, shape[0] * shape[1]).reshape(shape).astype(np.float64)

        values = np.stack([added(column) for column in rows.T], axis=-1)
        products = np.stack([added(column * clock) for column in rows.T], axis=-1)
        return cls(added(None), added(clock), added(clock**2), values, products)

    def profile(self, *, without: int | None = None) -> Floats | None:
        """`(k, c)` mean of each part of the cycle, freed of a linear trend; none where half of the parts have no row.

        The trend is measured within each part of the cycle, where the pattern has no say (Frisch & Waugh 1933). A part
        without rows, such as the night of a machine that is off, gets what lies between its neighbours.
        """
        kept = np.arange(len(self.counts)) != (-1 if without is None else without)
        counts, clock, squares, values, products = (
            sums[kept].sum(axis=0) for sums in (self.counts, self.clock, self.clock_squares, self.values, self.products)
        )
        known = np.flatnonzero(counts)
        if 2 * len(known) < len(counts):
            return None
        counts, clock, squares = counts[known], clock[known], squares[known]
        values, products = values[known], products[known]
        means, ticks = values / counts[:, None], clock / counts
        spread = float((squares - clock * ticks).sum())
        covered = (products - ticks[:, None] * values).sum(axis=0)
        slopes = covered / spread if spread > 0.0 else np.zeros(values.shape[1])
        profile = means - np.outer(ticks, slopes)
        profile -= profile.mean(axis=0)
        places = np.arange(self.counts.shape[1])
        return np.column_stack([np.interp(places, known, column, period=len(places)) for column in profile.T])


def _season(rows: Floats, times: Times, name: str, cadence: Cadence) -> Season | None:
    period_us = PERIODS_US[name]
    phases = min(_PHASES[name], period_us // cadence.step_us)
    phase = np.minimum((times % period_us) / period_us * phases, phases - 1).astype(np.int64)
    # From the middle of the rows and their mean, so that no sum has to carry large numbers.
    clock = (times - times[len(times) // 2]) / period_us
    level = rows.mean(axis=0)
    cycles = int((times[-1] - times[0] + cadence.step_us) // period_us)
    stretches = min(cycles, _MOST_STRETCHES)
    edges = times[0] + np.arange(1, stretches) * (cycles // stretches) * period_us
    bounds = [0, *np.searchsorted(times, edges).tolist(), len(times)]
    stretch = np.repeat(np.arange(stretches), np.diff(bounds))
    sums = _Sums.of(rows - level, clock, stretch * phases + phase, (stretches, phases))
    gains = []
    for number, (first, end) in enumerate(pairwise(bounds)):
        profile = sums.profile(without=number)
        if profile is not None and end - first >= _LEAST_ROWS_A_CYCLE:
            gains.append(_gains(rows[first:end], times[first:end], Season(name, profile, level)))
    profile = sums.profile()
    if profile is None or len(gains) < _LEAST_CYCLES:
        return None
    explained = np.mean(gains, axis=0)
    believed = (explained >= _LEAST_GAIN) & (np.min(gains, axis=0) >= _LEAST_GAIN_EACH)
    if not believed.any():
        return None
    return Season(name, np.where(believed, profile, 0.0), np.where(believed, explained, 0.0))


def _gains(rows: Floats, times: Times, season: Season) -> Floats:
    return explained_share(_variance(rows, times), _variance(rows - season.at(times), times), (rows**2).mean(axis=0))


def _variance(rows: Floats, times: Times) -> Floats:
    """`(c,)` mean square about each sensor's own straight line."""
    clock = (times - times.mean()) / max(float(np.ptp(times)), 1.0)
    centred = rows - rows.mean(axis=0)
    slopes = clock @ centred / max(float(clock @ clock), 1e-12)
    return np.asarray(((centred - np.outer(clock, slopes)) ** 2).mean(axis=0))
