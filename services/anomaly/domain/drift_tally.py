"""Counts from which drift is read: small, of a fixed size, and they add up, whichever replica has seen the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats

Counts = NDArray[np.int64]

# Tenths of the training rows: the customary bins of the population stability index.
BINS = 10
# With more sensors, products of every pair would be larger than everything else together.
PAIRED_SENSORS = 64
# Readings further out count as this far out [standard deviations]: one absurd reading must not drown the sums.
_FURTHEST = 20.0
_LEAST_SPREAD = 1e-30
# A variance below this is rounding.
_STANDS = 1e-12
_CONSTANT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of `c` sensors, in standard deviations from the training mean.

    Parameters
    ----------
    rows
        Rows that were looked at.
    known
        `(c,)` readings that were there.
    bins
        `(c, BINS)` readings between the quantiles of the training rows.
    sums, squares
        `(c,)`, and of the squares.
    pairs, products
        `(c,)` readings whose predecessor was there too, and sums of the products of the two.
    complete, crossed
        Rows without a gap, and `(c, c)` sums over them of the products of two sensors; `(0, 0)` where there are too
        many sensors.
    """

    rows: int
    known: Counts
    bins: Counts
    sums: Floats
    squares: Floats
    pairs: Counts
    products: Floats
    complete: int
    crossed: Floats

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.rows + other.rows,
            self.known + other.known,
            self.bins + other.bins,
            self.sums + other.sums,
            self.squares + other.squares,
            self.pairs + other.pairs,
            self.products + other.products,
            self.complete + other.complete,
            self.crossed + other.crossed,
        )

    @property
    def shares(self) -> Floats:
        """`(c, BINS)` of the readings; half a reading in every bin keeps each above 0."""
        return np.asarray((self.bins + 0.5) / (self.known[:, None] + 0.5 * BINS))

    @property
    def mean(self) -> Floats:
        """`(c,)`; 0 where nothing is known."""
        return np.asarray(self.sums / np.maximum(self.known, 1))

    @property
    def variance(self) -> Floats:
        """`(c,)`, never negative."""
        return np.asarray(np.maximum(self.squares / np.maximum(self.known, 1) - self.mean**2, 0.0))

    @property
    def lag1(self) -> Floats:
        """`(c,)` correlation of a reading with the one before it, from 0 to just below 1; 0 of a sensor that stands."""
        covariance = self.products / np.maximum(self.pairs, 1) - self.mean**2
        stands = self.variance < _STANDS
        return np.asarray(np.where(stands, 0.0, np.clip(covariance / np.maximum(self.variance, _STANDS), 0.0, 0.9999)))

    @property
    def correlation(self) -> Floats:
        """`(c, c)`; 0 where a sensor stood still."""
        if self.crossed.size == 0 or self.complete < 2:
            return np.zeros_like(self.crossed)
        covariance = self.crossed / self.complete - np.outer(self.mean, self.mean)
        spread = np.sqrt(self.variance)
        scale = np.outer(spread, spread)
        still = scale < _STANDS
        return np.asarray(np.clip(np.where(still, 0.0, covariance / np.where(still, 1.0, scale)), -0.9999, 0.9999))


@dataclass(frozen=True, slots=True)
class Reference:
    """What the training rows were like.

    Parameters
    ----------
    mean, spread
        `(c,)` [unit of the sensor]; every spread is above 0.
    edges
        `(c, BINS - 1)` quantiles [unit of the sensor].
    tally
        The training rows, counted like later ones.
    """

    mean: Floats
    spread: Floats
    edges: Floats
    tally: Tally

    def count(self, rows: Floats) -> Tally:
        """Count `(n, c)` rows that follow one another; NaN where a reading is missing."""
        known = ~np.isnan(rows)
        standard = np.clip((np.where(known, rows, self.mean) - self.mean) / self.spread, -_FURTHEST, _FURTHEST)
        both = known[1:] & known[:-1]
        sensors = rows.shape[1]
        complete = known.all(axis=1)
        whole = standard[complete]
        return Tally(
            len(rows),
            known.sum(axis=0),
            self._binned(rows, known),
            standard.sum(axis=0),
            (standard**2).sum(axis=0),
            both.sum(axis=0),
            (standard[1:] * standard[:-1] * both).sum(axis=0),
            len(whole),
            whole.T @ whole if sensors <= PAIRED_SENSORS else np.zeros((0, 0)),
        )

    def _binned(self, rows: Floats, known: NDArray[np.bool_]) -> Counts:
        """`(c, BINS)` readings in each bin: a reading at an edge is in the lower one."""
        sensors = rows.shape[1]
        place = np.zeros(rows.shape, np.int64) + BINS * np.arange(sensors)
        for edge in self.edges.T:
            place += rows > edge
        return np.bincount(place[known], minlength=sensors * BINS).reshape(sensors, BINS)


@dataclass(frozen=True, slots=True)
class Recent:
    """Counts of an asset's newest rows: the current lot, and the one before it while the current one is filled.

    Parameters
    ----------
    since, current_since, until
        When the first row of both lots, the first of the current one and the newest of all were measured, or scored
        where they have no time.
    """

    before: Tally | None
    current: Tally
    since: datetime
    current_since: datetime
    until: datetime

    @property
    def tally(self) -> Tally:
        """Both lots."""
        return self.current if self.before is None else self.before.plus(self.current)

    def joined(self, other: "Recent") -> "Recent":
        """Rows of the same lot together."""
        first = min(self.current_since, other.current_since)
        until = max(self.until, other.until)
        return Recent(self.before, self.current.plus(other.current), min(self.since, first), first, until)

    def followed_by(self, newer: "Recent", *, window_rows: int) -> "Recent":
        """Add newer rows; the older lot is dropped when the current one holds half of the window."""
        if self.current.rows < window_rows // 2:
            return self.joined(newer)
        return Recent(
            self.current, newer.current, self.current_since, newer.current_since, max(self.until, newer.until)
        )


def fit_reference(rows: Floats) -> Reference:
    """Describe `(n, c)` training rows; NaN where a reading is missing, and every sensor with at least one reading."""
    mean = np.nanmean(rows, axis=0)
    spread = np.nanstd(rows, axis=0)
    stand_in = np.maximum(_CONSTANT_SHARE * np.abs(mean), _LEAST_SPREAD)
    spread = np.where(spread > 1e-12 * np.abs(mean) + _LEAST_SPREAD, spread, np.where(mean == 0.0, 1.0, stand_in))
    edges = np.nanquantile(rows, np.arange(1, BINS) / BINS, axis=0).T.copy()
    sensors = rows.shape[1]
    nothing = Reference(mean, spread, edges, empty_tally(sensors))
    return Reference(mean, spread, edges, nothing.count(rows))


def empty_tally(sensors: int) -> Tally:
    """Nothing counted yet."""
    none, paired = np.zeros(sensors, np.int64), sensors if sensors <= PAIRED_SENSORS else 0
    zeros = np.zeros(sensors)
    bins = np.zeros((sensors, BINS), np.int64)
    return Tally(0, none, bins, zeros, zeros, none, zeros, 0, np.zeros((paired, paired)))


def tally_arrays(tally: Tally) -> dict[str, NDArray[np.generic]]:
    """A tally as arrays by name."""
    return {
        "rows": np.array([tally.rows, tally.complete], np.int64),
        "known": tally.known,
        "bins": tally.bins,
        "sums": tally.sums,
        "squares": tally.squares,
        "pairs": tally.pairs,
        "products": tally.products,
        "crossed": tally.crossed,
    }


def tally_shapes(sensors: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of `tally_arrays`, in their order."""
    paired = sensors if sensors <= PAIRED_SENSORS else 0
    return {
        "rows": (2,),
        "known": (sensors,),
        "bins": (sensors, BINS),
        "sums": (sensors,),
        "squares": (sensors,),
        "pairs": (sensors,),
        "products": (sensors,),
        "crossed": (paired, paired),
    }


def tally_of(arrays: Sequence[NDArray[np.generic]]) -> Tally:
    """Read the arrays of `tally_arrays`, in their order."""
    rows, known, bins, sums, squares, pairs, products, crossed = arrays
    return Tally(
        int(rows[0]),
        np.asarray(known, np.int64),
        np.asarray(bins, np.int64),
        np.asarray(sums, np.float64),
        np.asarray(squares, np.float64),
        np.asarray(pairs, np.int64),
        np.asarray(products, np.float64),
        int(rows[1]),
        np.asarray(crossed, np.float64),
    )
