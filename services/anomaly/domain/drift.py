"""Whether sensors still are what they were in training: how far they moved, and whether that can be chance.

Neighbouring rows of a plant resemble one another, so `n` of them say as much as `n (1 - r) / (1 + r)` independent ones,
with `r` the correlation of neighbours [1]. Every test below counts those. A change is told only if it is both larger
than chance explains and large enough to matter.

References
----------
.. [1] Bayley & Hammersley (1946), The "effective" number of independent observations in an autocorrelated time series,
   J. R. Statist. Soc. Suppl. 8(2)
.. [2] Yurdakul & Naranjo (2020), Statistical properties of the population stability index, J. Risk Model Valid. 14(4):
   without drift, the index is chi-squared times the sum of the inverse numbers of rows
.. [3] Siddiqi (2006), Credit Risk Scorecards: an index of 0.1 is a small change, of 0.25 a large one
"""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import NormalDist
from typing import Protocol

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.catalogue import Catalogue
from services.anomaly.domain.drift_tally import BINS, Recent, Reference, Tally
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.workbench import Workbench
from shared.errors import AppError, Kind

# Probability that any sensor of a detector without drift is called drifting by chance.
_LEVEL = 0.01
# With fewer independent rows, even a large change can be chance.
_LEAST_INDEPENDENT = 10.0
# Changes that matter, and changes that matter much: stability index, mean [standard deviations], logarithm of the
# spread, share of missing readings, correlation.
_MATTERS = np.array([0.1, 0.5, math.log(1.5), 0.05, 0.3])
_MATTERS_MUCH = np.array([0.25, 2.0, math.log(3.0), 0.5, 0.8])
_LEAST_SPREAD = 1e-6


class DriftVerdict(StrEnum):
    """What has become of a sensor, from best to worst."""

    UNKNOWN = "unknown"
    STABLE = "stable"
    DRIFTING = "drifting"
    CHANGED = "changed"


class NoReference(AppError):
    """The version that serves does not know what its training rows were like."""

    kind, code = Kind.CONFLICT, "anomaly.no_reference"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} was trained before training rows were described: train it again", detector=name)


@dataclass(frozen=True, slots=True)
class SensorDrift:
    """How recent readings of a sensor differ from the training rows.

    Parameters
    ----------
    independent_rows
        What the recent readings are worth.
    stability_index
        Population stability index over tenths of the training rows.
    ks
        Largest distance between the two distributions at those tenths (Kolmogorov and Smirnov).
    mean_shift
        [standard deviations of the training rows].
    spread_ratio
        Standard deviation over that of the training rows.
    missing_share
        Of the rows.
    correlation_change
        Largest change of the correlation with another sensor; `None` with too many sensors to keep count.
    """

    name: str
    verdict: DriftVerdict
    independent_rows: float
    stability_index: float
    ks: float
    mean_shift: float
    spread_ratio: float
    missing_share: float
    correlation_change: float | None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Every sensor, the worst verdict, and what it rests on; the times are `None` before any row was seen."""

    verdict: DriftVerdict
    rows: int
    since: datetime | None
    until: datetime | None
    sensors: tuple[SensorDrift, ...]


class RecentRows(Protocol):
    """Where counts of recent rows are kept."""

    async def recent(self, detector: ServedDetector, asset: str | None) -> Recent | None:
        """The counts of an asset, or of all of them; raises `StreamsUnavailable`."""
        ...


class DriftDesk:
    """Compares what detectors score with what they were trained on."""

    def __init__(self, catalogue: Catalogue, workbench: Workbench, rows: RecentRows) -> None:
        self._catalogue, self._workbench, self._rows = catalogue, workbench, rows

    async def report(self, name: str, asset: str | None) -> tuple[ServedDetector, DriftReport]:
        """The version that serves, and how the rows it scored recently differ from its training rows.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        NoReference
            If the version was trained before training rows were described.
        StreamsUnavailable, Overloaded
            If it cannot be told now.
        """
        ready = await self._workbench.run(lambda: self._catalogue.ready(name))
        detector = ready.detector
        reference = detector.reference
        if reference is None:
            raise NoReference(name)
        recent = await self._rows.recent(detector, asset)
        report = await self._workbench.run(lambda: drift_report(detector.column_names, reference, recent))
        return detector, report


def drift_report(names: tuple[str, ...], reference: Reference, recent: Recent | None) -> DriftReport:
    """Compare what was scored recently with the training rows."""
    if recent is None:
        return DriftReport(DriftVerdict.UNKNOWN, 0, None, None, ())
    tally = recent.tally
    comparison = _Comparison(reference.tally, tally)
    sensors = tuple(comparison.sensor(i, name) for i, name in enumerate(names))
    order = list(DriftVerdict)
    worst = max((sensor.verdict for sensor in sensors), key=order.index)
    return DriftReport(worst, tally.rows, recent.since, recent.until, sensors)


class _Comparison:
    """Statistics of all sensors at once, and their tests."""

    def __init__(self, trained: Tally, recent: Tally) -> None:
        lag1 = np.maximum(trained.lag1, recent.lag1)
        worth = (1.0 - lag1) / (1.0 + lag1)
        self._rows = recent.rows
        self._recent_rows, self._trained_rows = recent.known * worth, np.maximum(trained.known * worth, 1.0)
        shares, usual = recent.shares, trained.shares
        self._index = ((shares - usual) * np.log(shares / usual)).sum(axis=1)
        self._ks = np.abs(np.cumsum(shares - usual, axis=1)).max(axis=1)
        self._shift = recent.mean - trained.mean
        least = np.maximum(np.sqrt(trained.variance), _LEAST_SPREAD)
        self._ratio = np.maximum(np.sqrt(recent.variance), _LEAST_SPREAD) / least
        self._missing = 1.0 - recent.known / max(recent.rows, 1)
        self._more_missing = self._missing - (1.0 - trained.known / max(trained.rows, 1))
        self._turned = _largest_turn(trained.correlation, recent.correlation)

    def sensor(self, i: int, name: str) -> SensorDrift:
        """What one sensor comes to."""
        return SensorDrift(
            name,
            self._verdict(i),
            float(self._recent_rows[i]),
            float(self._index[i]),
            float(self._ks[i]),
            float(self._shift[i]),
            float(self._ratio[i]),
            float(self._missing[i]),
            None if len(self._turned) == 0 else float(self._turned[i]),
        )

    def _verdict(self, i: int) -> DriftVerdict:
        independent = float(self._recent_rows[i])
        gone = float(self._more_missing[i])
        if independent < _LEAST_INDEPENDENT:
            silent = self._rows >= _LEAST_INDEPENDENT and gone >= _MATTERS_MUCH[3]
            return DriftVerdict.CHANGED if silent else DriftVerdict.UNKNOWN
        turned = float(self._turned[i]) if len(self._turned) else 0.0
        sizes = np.abs([self._index[i], self._shift[i], math.log(self._ratio[i]), max(gone, 0.0), turned])
        told = np.where(sizes > self._chance(i), sizes, 0.0)
        if (told >= _MATTERS_MUCH).any():
            return DriftVerdict.CHANGED
        return DriftVerdict.DRIFTING if (told >= _MATTERS).any() else DriftVerdict.STABLE

    def _chance(self, i: int) -> Floats:
        """What chance explains of each size."""
        sensors, either = len(self._index), 1.0 / self._recent_rows[i] + 1.0 / self._trained_rows[i]
        level = _LEVEL / (4 * sensors)
        far = NormalDist().inv_cdf(1.0 - level / 2.0)
        # The correlation is the largest of as many as there are other sensors.
        furthest = NormalDist().inv_cdf(1.0 - level / (2.0 * sensors))
        root = math.sqrt(either)
        return np.array(
            [
                either * _chi_squared(1.0 - level, BINS - 1),
                far * root,
                far * root / math.sqrt(2.0),
                0.0,
                furthest * root,
            ]
        )


def _largest_turn(trained: Floats, recent: Floats) -> Floats:
    """`(c,)` largest change of each sensor's correlations; empty where they are not kept."""
    if trained.shape != recent.shape or len(trained) == 0:
        return np.empty(0)
    change = np.abs(recent - trained)
    np.fill_diagonal(change, 0.0)
    return np.asarray(change.max(axis=1))


def _chi_squared(probability: float, freedom: int) -> float:
    """Quantile of the chi-squared distribution, within 1 % [1].

    References
    ----------
    .. [1] Wilson & Hilferty (1931), The distribution of chi-square, PNAS 17(12)
    """
    part = 2.0 / (9.0 * freedom)
    return freedom * math.pow(1.0 - part + NormalDist().inv_cdf(probability) * math.sqrt(part), 3)
