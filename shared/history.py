"""A short history of values of assets, for dashboards: at most one point an interval, kept for a time.

It loses points by design: the newest value of an interval stands for it, and what could not be written is left out and
counted. What must not be lost, such as observations and alerts, has tables of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import BigInteger, Column, Engine, Float, Index, MetaData, String, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.database import read, write
from shared.errors import AppError, Kind
from shared.log import get_logger
from shared.retention import delete_rows

log = get_logger(__name__)

_KEY = ("metric", "subject", "asset", "at_ms")
_BATCH_ROWS = 1_000
_MOST_AHEAD_S = 3_600.0


class HistoryOff(AppError):
    """This service keeps no history."""

    kind, code = Kind.MISSING, "history.off"

    def __init__(self) -> None:
        super().__init__("no history of values is kept here: it is off unless `history_interval_s` is set")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one series."""

    metric: str
    subject: str
    asset: str
    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """Which part of which series is asked for.

    Parameters
    ----------
    points
        Most points of the answer; where there are more, each is the mean of an equal part of the time.
    """

    metric: str
    subject: str
    asset: str
    since: datetime
    until: datetime
    points: int


class History(Protocol):
    """Values of assets as they were."""

    async def series(self, query: SeriesQuery) -> Sequence[tuple[datetime, float]]:
        """Time and value, oldest first.

        Raises
        ------
        HistoryOff
            If none is kept.
        """
        ...


def points_table(metadata: MetaData, name: str) -> Table:
    """Where a service keeps its history; its migrations make the same."""
    return Table(
        name,
        metadata,
        Column("metric", String(32), primary_key=True),
        Column("subject", String(64), primary_key=True),
        Column("asset", String(255), primary_key=True),
        Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
        Column("value", Float, nullable=False),
        Index(f"{name}_at", "at_ms"),
    )


class SqlHistory:
    """Implements `History` over a table."""

    def __init__(self, engine: Engine, table: Table, *, interval_s: float) -> None:
        self._engine, self._table = engine, table
        self._interval_ms = max(round(interval_s * 1000), 1)
        self._is_on = interval_s > 0

    def add(self, points: Sequence[Point]) -> None:
        """Write points; of one interval the last one stays, whichever replica wrote it.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        """
        rows = {(point.metric, point.subject, point.asset, self._start_ms(point.at_s)): point.value for point in points}
        make = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        new = make(self._table)
        replaced = new.on_conflict_do_update(index_elements=_KEY, set_={"value": new.excluded.value})
        # In one order for all replicas, so that no two of them wait for each other; in short transactions.
        keys = sorted(rows)
        for start in range(0, len(keys), _BATCH_ROWS):
            part = [dict(zip(_KEY, key, strict=True), value=rows[key]) for key in keys[start : start + _BATCH_ROWS]]
            with write(self._engine) as connection:
                connection.execute(replaced, part)

    def remove(self, before: datetime) -> int:
        """Remove what is older; says how many points."""
        return delete_rows(self._engine, self._table, self._table.c.at_ms < _ms(before))

    async def series(self, query: SeriesQuery) -> Sequence[tuple[datetime, float]]:
        if not self._is_on:
            raise HistoryOff
        return await to_thread.run_sync(self._read, query)

    def _read(self, query: SeriesQuery) -> Sequence[tuple[datetime, float]]:
        table, since_ms, until_ms = self._table.c, _ms(query.since), _ms(query.until)
        part_ms = max(-(-(until_ms - since_ms) // query.points), self._interval_ms)
        part = (table.at_ms - since_ms) // part_ms
        wanted = (
            select(func.min(table.at_ms).label("at_ms"), func.avg(table.value).label("value"))
            .where(
                table.metric == query.metric,
                table.subject == query.subject,
                table.asset == query.asset,
                table.at_ms >= since_ms,
                table.at_ms < until_ms,
            )
            .group_by(part)
            .order_by(part)
            .limit(query.points)
        )
        with read(self._engine) as connection:
            return [(datetime.fromtimestamp(row.at_ms / 1000, UTC), row.value) for row in connection.execute(wanted)]

    def _start_ms(self, at_s: float) -> int:
        at_ms = round(at_s * 1000)
        return at_ms - at_ms % self._interval_ms


class HistoryWriter:
    """Writes what is new once an interval, beside the requests.

    Parameters
    ----------
    take
        Gives the points that are new since it was last asked.
    """

    def __init__(
        self,
        history: SqlHistory,
        take: Callable[[], Sequence[Point]],
        *,
        now: Callable[[], datetime],
        interval_s: float,
        metrics: CollectorRegistry,
    ) -> None:
        self._history, self._take, self._now, self._interval_s = history, take, now, interval_s
        self._lost = Counter(
            "futago_history_points_lost", "Points of the history that could not be written", registry=metrics
        )

    async def run(self) -> None:
        """Write again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new; where the database is away it is left out, and the next points are written."""
        latest_s = self._now().timestamp() + _MOST_AHEAD_S
        points = [point for point in self._take() if 0 <= point.at_s <= latest_s]
        if not points:
            return
        try:
            await to_thread.run_sync(self._history.add, points)
        except AppError as error:
            self._lost.inc(len(points))
            log.warning("history_not_written", points=len(points), code=error.code)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
