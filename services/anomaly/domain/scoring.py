"""Scoring rows that a caller sends: check, score, count, and tell somebody of what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from services.anomaly.domain.alerts import alerts_of
from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.catalogue import Catalogue, Ready
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.false_alarms import alarms
from services.anomaly.domain.rows import (
    check_context_order,
    check_times,
    column_order,
    rows_from_lists,
    times_us,
)
from services.anomaly.domain.watch import ScoreWatch, Seen
from services.anomaly.domain.workbench import Workbench
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.errors import AppError, Kind

Cells = Sequence[Sequence[float | None]]


class TooManyRows(AppError):
    """One call brings more rows than a service takes at once."""

    kind, code = Kind.TOO_LARGE, "anomaly.too_many_rows"

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(f"{rows} rows in one call; at most {limit} are taken", rows=rows, limit=limit)


class TakesLong(AppError):
    """Every score of this detector is the result of a search: no caller should wait for it."""

    kind, code = Kind.CONFLICT, "anomaly.takes_long"

    def __init__(self, detector: str) -> None:
        super().__init__(f"scores of {detector!r} are the work of a job", detector=detector)


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """Rows as they came.

    Parameters
    ----------
    columns
        Names, in the order of the values.
    times
        One a row, or none.
    context, context_times
        Rows just before, which are looked back on and not scored, and their times where those are known.
    """

    columns: Sequence[str]
    rows: Cells
    times: Sequence[datetime] | None
    context: Cells
    context_times: Sequence[datetime] | None = None


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may bring, context included; `values` counts rows times columns."""

    rows: int
    values: int

    def check(self, given: ScoreInput) -> None:
        """Refuse a call that brings more.

        Raises
        ------
        TooManyRows
            With the number of such rows that would be taken.
        """
        if not self.allow(given):
            raise TooManyRows(len(given.rows) + len(given.context), self._limit(given))

    def allow(self, given: ScoreInput) -> bool:
        """Whether a call may bring this much."""
        return len(given.rows) + len(given.context) <= self._limit(given)

    def _limit(self, given: ScoreInput) -> int:
        return min(self.rows, self.values // max(len(given.columns), 1))


@dataclass(frozen=True, slots=True)
class Scored:
    """What was found, by which version, in rows `(n, c)` in its order of columns; times are in UTC.

    Parameters
    ----------
    attention
        `(n, c)` that each sensor received, known for anomalous rows; `None` where the kind has none.
    """

    ready: Ready
    rows: Floats
    detection: Detection
    times: Sequence[datetime] | None
    attention: Floats | None = None


class AlertSink(Protocol):
    """Takes alerts on their way; returns at once and never fails the caller."""

    def send(self, alerts: Sequence[Alert]) -> None: ...


class ScoreObserver(Protocol):
    """Counts what was scored."""

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None: ...


class ScoringDesk:
    """Scores calls in threads.

    Parameters
    ----------
    limits
        Of one call.
    watches
        Told of every call.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        workbench: Workbench,
        alerts: AlertSink,
        observer: ScoreObserver,
        *,
        clock: Clock,
        limits: CallLimits,
        watches: Sequence[ScoreWatch] = (),
    ) -> None:
        self._catalogue = catalogue
        self._workbench = workbench
        self._alerts = alerts
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._watches = tuple(watches)

    async def score(self, name: str, given: ScoreInput, *, asset: str | None) -> Scored:
        """Score rows and raise one alert for each run of anomalous ones.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        RowsRefused, TooManyRows
            If the rows cannot be used; nothing is scored then.
        TakesLong
            If the detector is not one to wait for.
        Overloaded
            If too many calls are waiting.
        """
        started_s = self._clock.monotonic_s()
        scored = await self._workbench.run(lambda: self._score(name, given))
        self._observer.scored(
            name,
            rows=len(given.rows),
            anomalous=int(scored.detection.labels.sum()),
            duration_s=self._clock.monotonic_s() - started_s,
        )
        self._alerts.send(
            alerts_of(
                scored.ready.detector,
                scored.detection,
                rows=given.rows,
                times=scored.times,
                asset=asset,
                now=self._clock.now(),
                new_id=lambda: uuid4().hex,
            )
        )
        seen = seen_of(scored, asset)
        for watch in self._watches:
            watch.seen(seen)
        return scored

    def _score(self, name: str, given: ScoreInput) -> Scored:
        self._limits.check(given)
        ready = self._catalogue.ready(name)
        if not ready.detector.realtime:
            raise TakesLong(name)
        rows, context = read_rows(ready, given)
        times = None if given.times is None else [time.astimezone(UTC) for time in given.times]
        found = detect(ready, given, rows, context)
        return Scored(ready, rows, found, times, attention(ready, given, rows, context, found))


def detect(ready: Ready, given: ScoreInput, rows: Floats, context: Floats) -> Detection:
    """Score checked rows at the times they were given.

    Raises
    ------
    TimesMissing
        If the detector goes by the clock and there are none.
    """
    return ready.detector.detect(
        rows,
        ready.threshold.value,
        context,
        times=None if given.times is None else times_us(given.times),
        context_times=None if given.context_times is None else times_us(given.context_times),
    )


def attention(ready: Ready, given: ScoreInput, rows: Floats, context: Floats, found: Detection) -> Floats | None:
    """`(n, c)` attention that each sensor received where rows were found anomalous, by a detector that has any."""
    if not ready.detector.has_attention:
        return None
    return ready.detector.attention(
        rows,
        context,
        times=None if given.times is None else times_us(given.times),
        context_times=None if given.context_times is None else times_us(given.context_times),
        wanted=found.labels == 1,
    )


def seen_of(scored: Scored, asset: str | None) -> Seen:
    """What those who watch are told of a call."""
    detector, detection = scored.ready.detector, scored.detection
    begun = alarms(detection.labels, apart_rows=detector.held_out.spacing_rows)
    return Seen(asset, scored.ready, scored.rows, detection, scored.times, begun)


def read_rows(ready: Ready, given: ScoreInput) -> tuple[Floats, Floats]:
    """Rows and context in the detector's order of columns.

    Raises
    ------
    RowsRefused
        If columns, values or times cannot be used.
    """
    order = column_order(given.columns, ready.detector.column_names)
    rows = rows_from_lists(given.rows, len(order))
    context = rows_from_lists(given.context, len(order), pointer="/context")
    if given.times is not None:
        check_times(given.times, len(rows))
    if given.context_times is not None:
        check_times(given.context_times, len(context), pointer="/context_timestamps")
        check_context_order(given.context_times, given.times)
    # Copies in one memory order: sums then round alike, whatever order the columns came in.
    return rows[:, order].copy(order="C"), context[:, order].copy(order="C")
