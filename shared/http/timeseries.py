"""What the routes of histories share: the part of the time that is asked for, and the answer.

A dashboard reads it with any data source that takes JSON, such as Grafana's Infinity: the points are under `points`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel

from shared.clock import Clock
from shared.errors import AppError, Fault, Kind
from shared.history import History, SeriesQuery
from shared.http.dependencies import use

_MOST_POINTS = 11_000
_DEFAULT_SPAN = timedelta(hours=6)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


class SpanInvalid(AppError):
    """The end of the time that is asked for does not come after its beginning."""

    kind, code = Kind.INVALID, "history.span_invalid"

    def __init__(self) -> None:
        super().__init__("`until` must come after `since`", faults=[Fault("/until", "not after `since`")])


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the time that is asked for, and how finely."""

    since: datetime
    until: datetime
    points: int

    async def read(self, history: History, *, metric: str, subject: str, asset: str) -> "TimeSeries":
        """The series of an asset in this time."""
        query = SeriesQuery(metric, subject, asset, self.since, self.until, self.points)
        return TimeSeries.of(query, await history.series(query))


async def span(
    clock: Annotated[Clock, use(Clock)],
    since: Annotated[AwareDatetime | None, Query(description="six hours before `until` unless given")] = None,
    until: Annotated[AwareDatetime | None, Query(description="now unless given")] = None,
    points: Annotated[int, Query(ge=1, le=_MOST_POINTS, description="most points of the answer")] = 500,
) -> Span:
    """Read the span of a request.

    Raises
    ------
    SpanInvalid
        If it ends before it begins.
    """
    end = min(until or clock.now(), _LATEST)
    begin = max(since or max(end, _EARLIEST + _DEFAULT_SPAN) - _DEFAULT_SPAN, _EARLIEST)
    if end <= begin:
        raise SpanInvalid
    return Span(begin, end, points)


AskedSpan = Annotated[Span, Depends(span)]


class TimePoint(BaseModel):
    """One value and when it was."""

    time: datetime
    value: float


class TimeSeries(BaseModel):
    """One series, oldest point first."""

    metric: str
    asset: str
    points: list[TimePoint]

    @classmethod
    def of(cls, query: SeriesQuery, found: Sequence[tuple[datetime, float]]) -> Self:
        """The answer to a query."""
        points = [TimePoint(time=time, value=value) for time, value in found]
        return cls(metric=query.metric, asset=query.asset, points=points)
