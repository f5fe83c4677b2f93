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
from services.anomaly.domain.rows import check_times, column_order, rows_from_lists
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


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """Rows as they came.

    Parameters
    ----------
    columns
        Names, in the order of the values.
    times
        One a row, or none.
    context
        Rows just before, which are looked back on and not scored.
    """

    columns: Sequence[str]
    rows: Cells
    times: Sequence[datetime] | None
    context: Cells


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
        count = len(given.rows) + len(given.context)
        limit = min(self.rows, self.values // max(len(given.columns), 1))
        if count > limit:
            raise TooManyRows(count, limit)


@dataclass(frozen=True, slots=True)
class Scored:
    """What was found, by which version; times are in UTC."""

    ready: Ready
    detection: Detection
    times: Sequence[datetime] | None


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
    ) -> None:
        self._catalogue = catalogue
        self._workbench = workbench
        self._alerts = alerts
        self._observer = observer
        self._clock = clock
        self._limits = limits

    async def score(self, name: str, given: ScoreInput, *, asset: str | None) -> Scored:
        """Score rows and raise one alert for each run of anomalous ones.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        RowsRefused, TooManyRows
            If the rows cannot be used; nothing is scored then.
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
        return scored

    def _score(self, name: str, given: ScoreInput) -> Scored:
        self._limits.check(given)
        ready = self._catalogue.ready(name)
        rows, context = read_rows(ready, given)
        times = None if given.times is None else [time.astimezone(UTC) for time in given.times]
        return Scored(ready, ready.detector.detect(rows, ready.threshold.value, context), times)


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
    # Copies in one memory order: sums then round alike, whatever order the columns came in.
    return rows[:, order].copy(order="C"), context[:, order].copy(order="C")
