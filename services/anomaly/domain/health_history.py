"""How far from normal an asset was, hour by hour: what its health is made of."""

import asyncio
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from services.anomaly.domain.watch import Seen
from shared.clock import Clock
from shared.errors import AppError, Kind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
# A row from later than this has a wrong clock.
_FURTHEST_AHEAD = timedelta(days=366)
# A clock may be a zone or a day off; what is from still later does not make the rest look old.
_BELIEVED_AHEAD_H = 24


@dataclass(frozen=True, slots=True)
class HourKey:
    """One hour of an asset under one detector; hours are counted from 1970 in UTC."""

    asset: str
    detector: str
    hour: int


@dataclass(frozen=True, slots=True)
class HourSum:
    """What an hour adds up to.

    Parameters
    ----------
    rows
        With a score.
    severity_sum
        Of these rows, each from 0 to 1.
    last_at
        Time of the newest of them.
    """

    rows: int
    severity_sum: float
    last_at: datetime

    def __add__(self, other: "HourSum") -> "HourSum":
        return HourSum(self.rows + other.rows, self.severity_sum + other.severity_sum, max(self.last_at, other.last_at))


@dataclass(frozen=True, slots=True)
class History:
    """The hours of an asset since its last inspection.

    Parameters
    ----------
    hours
        By detector, oldest first.
    reset_at
        When that inspection ended; `None` where none is known.
    """

    hours: Mapping[str, Sequence[tuple[int, HourSum]]]
    reset_at: datetime | None


class HealthStore(Protocol):
    """Keeps the hours. Its calls wait for a disk: make them in a thread."""

    def add(self, increments: Mapping[HourKey, HourSum], now: datetime) -> None:
        """Add to the hours, of whatever process; raises an error of the kind `UNAVAILABLE` where it cannot."""
        ...

    def history(self, asset: str) -> History: ...

    def reset(self, asset: str, at: datetime) -> None:
        """Let an asset's health begin anew; told again or late, it changes nothing."""
        ...


def hour_of(moment: datetime) -> int:
    """Number of the hour since 1970 in UTC."""
    return (moment - _EPOCH) // _HOUR


def last_believed_hour(now: datetime) -> int:
    """The latest hour that can be the present."""
    return hour_of(now) + _BELIEVED_AHEAD_H


def hour_start(hour: int) -> datetime:
    """When an hour begins."""
    return _EPOCH + hour * _HOUR


def health_increments(seen: Seen, now: datetime) -> dict[HourKey, HourSum]:
    """What a call adds to the hours of its asset; rows without a time count as measured now."""
    if seen.asset is None:
        return {}
    severity, detector = seen.detection.severity, seen.ready.detector.name
    times = [now] * len(severity) if seen.times is None else seen.times
    found: dict[HourKey, HourSum] = {}
    first = 0
    while first < len(times) and times[first] <= now + _FURTHEST_AHEAD:
        hour = hour_of(times[first])
        end = bisect_left(times, hour_start(hour + 1), lo=first)
        known = np.flatnonzero(np.isfinite(severity[first:end]))
        if len(known):
            key = HourKey(seen.asset, detector, hour)
            found[key] = HourSum(len(known), float(severity[first + known].sum()), times[first + int(known[-1])])
        first = end
    return found


class HealthRecorder:
    """Implements `watch.ScoreWatch`: collects in memory, and writes a few times a minute.

    Parameters
    ----------
    interval_s
        Between two writings: what a process that dies takes with it.
    limit
        Hours of assets that may wait for a database that is away; beyond it, what comes is not recorded.
    """

    def __init__(self, store: HealthStore, *, clock: Clock, interval_s: float, limit: int = 100_000) -> None:
        self._store = store
        self._clock = clock
        self._interval_s = interval_s
        self._limit = limit
        self._waiting: dict[HourKey, HourSum] = {}
        self._writing = asyncio.Lock()
        self.lost_rows = 0

    def seen(self, seen: Seen) -> None:
        self._collect(health_increments(seen, self._clock.now()))

    async def flush(self) -> None:
        """Write what has been collected.

        Raises
        ------
        AppError
            Of the kind `UNAVAILABLE`, if the database does not answer; nothing is lost then.
        """
        async with self._writing:
            increments, self._waiting = self._waiting, {}
            if not increments:
                return
            try:
                await asyncio.to_thread(self._store.add, increments, self._clock.now())
            except AppError:
                self._collect(increments)
                raise

    async def run(self) -> None:
        """Write again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.flush()
            except AppError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise

    def _collect(self, increments: Mapping[HourKey, HourSum]) -> None:
        for key, added in increments.items():
            before = self._waiting.get(key)
            if before is None and len(self._waiting) >= self._limit:
                self.lost_rows += added.rows
            else:
                self._waiting[key] = added if before is None else before + added
