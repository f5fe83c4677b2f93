"""The health of an asset, from 0 to 100, and when its condition will ask for an inspection.

A row's severity is 0 where it is perfectly normal, 0.5 at the detector's limit and 1 at worst. An hour counts by the
mean severity of its rows, a detector by the median of its last hours, an asset by its worst detector:

    health = 100 * (1 - severity)

so 50 is the limit. Severities are bounded and the median takes them, so a spike of some rows, or of some hours, does
not fail a machine; a lasting change does, within half the window. More severe rows never make health better.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.health_history import (
    HealthRecorder,
    HealthStore,
    History,
    HourSum,
    hour_start,
    last_believed_hour,
)
from services.anomaly.domain.health_trend import Line, fit_line
from shared.clock import Clock
from shared.errors import AppError, Kind

# Hours that a detector is judged by.
_WINDOW_H = 24
# A detector that has been silent for so much longer than another says nothing about the present.
_SILENT_H = 7 * 24
_TREND_H = 60 * 24
# Pairs grow with the square of the points; a slice of several hours is also less like its neighbour.
_TREND_POINTS = 120
_HOURS_A_DAY = 24.0


class HealthUnknown(AppError):
    """No row of this asset was ever scored."""

    kind, code = Kind.MISSING, "anomaly.health_unknown"

    def __init__(self, asset: str) -> None:
        super().__init__(f"nothing was ever scored of the asset {asset!r}", asset=asset)


@dataclass(frozen=True, slots=True)
class HealthRules:
    """What is asked of health.

    Parameters
    ----------
    limit
        Health below which an inspection is due, 0 to 100.
    horizon_days
        A crossing further away is not predicted.
    confidence
        Of the trend's interval [1].
    """

    limit: float = 40.0
    horizon_days: float = 365.0
    confidence: float = 0.9


@dataclass(frozen=True, slots=True)
class DetectorHealth:
    """What one detector says of an asset.

    Parameters
    ----------
    counted
        Whether it is recent enough, beside the others, to count.
    """

    detector: str
    health: float
    rows: int
    last_at: datetime
    counted: bool


@dataclass(frozen=True, slots=True)
class HealthTrend:
    """Points of health a day, negative where it becomes worse, with its interval."""

    per_day: float
    lower: float
    upper: float
    confidence: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.lower > 0.0 or self.upper < 0.0


@dataclass(frozen=True, slots=True)
class ConditionDue:
    """When health reaches the limit if its trend goes on.

    Parameters
    ----------
    earliest, latest
        By the two ends of the trend's interval; `latest` is `None` where that lies beyond the horizon.
    """

    day: date
    earliest: date
    latest: date | None


@dataclass(frozen=True, slots=True)
class AssetHealth:
    """What is known of an asset.

    Parameters
    ----------
    health
        0 to 100; `None` where nothing was scored since the last inspection.
    since
        Beginning of what is taken into account: the last inspection, or the first hour.
    age_s
        Since the newest row; `None` where there is none.
    hours, points
        Hours with rows, and the points that the trend goes through.
    """

    asset: str
    health: float | None
    trend: HealthTrend | None
    condition_due: ConditionDue | None
    limit: float
    since: datetime | None
    age_s: float | None
    detectors: tuple[DetectorHealth, ...]
    hours: int
    points: int


class HealthDesk:
    """Answers for the health of assets."""

    def __init__(self, store: HealthStore, recorder: HealthRecorder, *, clock: Clock, rules: HealthRules) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._rules = rules

    async def health(self, asset: str) -> AssetHealth:
        """Judge an asset by all that was scored of it, the last call included.

        Raises
        ------
        HealthUnknown
            If nothing was.
        """
        await self._recorder.flush()
        history = await asyncio.to_thread(self._store.history, asset)
        if not history.hours and history.reset_at is None:
            raise HealthUnknown(asset)
        return assess(asset, history, self._rules, self._clock.now())


def assess(asset: str, history: History, rules: HealthRules, now: datetime) -> AssetHealth:
    """Judge an asset by its hours."""
    if not history.hours:
        return AssetHealth(asset, None, None, None, rules.limit, history.reset_at, None, (), 0, 0)
    known = _believed(history.hours, last_believed_hour(now))
    newest = max(hours[-1][0] for hours in known.values())
    counted = {name: hours for name, hours in known.items() if hours[-1][0] > newest - _SILENT_H}
    detectors = tuple(_detector_health(name, known[name], counted=name in counted) for name in sorted(known))
    health = min(each.health for each in detectors if each.counted)
    days, severities = trend_points(counted)
    line = fit_line(days, severities, confidence=rules.confidence)
    last_at = max(each.last_at for each in detectors)
    first_hour = min(hours[0][0] for hours in known.values())
    return AssetHealth(
        asset=asset,
        health=health,
        trend=None if line is None else _health_trend(line, rules.confidence),
        condition_due=condition_due(health, line, rules, as_of=last_at),
        limit=rules.limit,
        since=history.reset_at or hour_start(first_hour),
        age_s=max((now - last_at).total_seconds(), 0.0),
        detectors=detectors,
        hours=len({hour for hours in counted.values() for hour, _ in hours}),
        points=len(days),
    )


def _believed(
    hours: Mapping[str, Sequence[tuple[int, HourSum]]], last: int
) -> Mapping[str, Sequence[tuple[int, HourSum]]]:
    """The hours up to the last that can be the present; where there are no others, those from a clock that is ahead."""
    present = {name: [entry for entry in series if entry[0] <= last] for name, series in hours.items()}
    return {name: series for name, series in present.items() if series} or hours


def trend_points(hours: Mapping[str, Sequence[tuple[int, HourSum]]]) -> tuple[Floats, Floats]:
    """The worst detector's severity over time, as at most `_TREND_POINTS` medians of slices of equal length.

    Returns
    -------
    tuple
        `(k,)` days since 1970, and `(k,)` severities.
    """
    worst: dict[int, float] = {}
    for series in hours.values():
        for hour, total in series:
            worst[hour] = max(worst.get(hour, 0.0), total.severity_sum / total.rows)
    newest = max(worst)
    kept = sorted(hour for hour in worst if hour > newest - _TREND_H)
    width = max(math.ceil((newest - kept[0] + 1) / _TREND_POINTS), 1)
    slices: dict[int, list[int]] = {}
    for hour in kept:
        slices.setdefault((newest - hour) // width, []).append(hour)
    groups = [slices[place] for place in sorted(slices, reverse=True)]
    days = np.array([(sum(group) / len(group) + 0.5) / _HOURS_A_DAY for group in groups])
    return days, np.array([float(np.median([worst[hour] for hour in group])) for group in groups])


def condition_due(health: float, line: Line | None, rules: HealthRules, *, as_of: datetime) -> ConditionDue | None:
    """When health reaches the limit, or `None` where no trend leads there within the horizon.

    All lines of the trend's interval turn about the middle of the data, so a steeper one is also believed to be
    further along today: the ends of the crossing are those of the slope, as in Fieller's interval of a ratio.

    Parameters
    ----------
    as_of
        Time of the newest row: the trend is known up to there.
    """
    today = as_of.date()
    if health <= rules.limit:
        return ConditionDue(today, today, today)
    if line is None or line.lower <= 0.0:
        return None
    level = 1.0 - rules.limit / 100.0
    horizon = as_of + timedelta(days=rules.horizon_days)
    due, earliest, latest = (
        _moment(line.crossing(level, slope), horizon) for slope in (line.slope, line.upper, line.lower)
    )
    if due is None or earliest is None:
        return None
    return ConditionDue(
        max(due.date(), today), max(earliest.date(), today), None if latest is None else max(latest.date(), today)
    )


def _moment(days: float, horizon: datetime) -> datetime | None:
    last_day = horizon.timestamp() / 86_400.0
    return datetime.fromtimestamp(days * 86_400.0, horizon.tzinfo) if 0.0 <= days <= last_day else None


def _detector_health(name: str, hours: Sequence[tuple[int, HourSum]], *, counted: bool) -> DetectorHealth:
    newest = hours[-1][0]
    recent = [total for hour, total in hours if hour > newest - _WINDOW_H]
    severity = float(np.median([total.severity_sum / total.rows for total in recent]))
    return DetectorHealth(
        detector=name,
        health=100.0 * (1.0 - min(max(severity, 0.0), 1.0)),
        rows=sum(total.rows for total in recent),
        last_at=max(total.last_at for total in recent),
        counted=counted,
    )


def _health_trend(line: Line, confidence: float) -> HealthTrend:
    return HealthTrend(-100.0 * line.slope, -100.0 * line.upper, -100.0 * line.lower, confidence)
