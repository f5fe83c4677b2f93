"""What detectors met since they serve, in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.anomaly.adapters.tables import live
from services.anomaly.domain.catalogue import DetectorEntry
from services.anomaly.domain.live_counts import LiveCount, limit_key
from shared.database import read, write


@dataclass(frozen=True, slots=True)
class CountKey:
    """Under what rows are counted; the asset is empty where callers name none."""

    name: str
    version: int
    limit_key: str
    asset: str


class SqlLiveCounts:
    """Implements `live_counts.LiveCounts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, counts: Mapping[CountKey, LiveCount]) -> dict[CountKey, LiveCount]:
        """Add to what was counted, and say what that makes.

        Raises
        ------
        DatabaseUnavailable
            If nothing could be written.
        """
        totals = {}
        with write(self._engine) as connection:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            smallest = func.least if connection.dialect.name == "postgresql" else func.min
            largest = func.greatest if connection.dialect.name == "postgresql" else func.max
            # In one order for all, so that no two replicas wait for each other.
            for key in sorted(counts, key=lambda key: (key.name, key.version, key.limit_key, key.asset)):
                count = counts[key]
                new = make(live).values(
                    name=key.name,
                    version=key.version,
                    limit_key=key.limit_key,
                    asset=key.asset,
                    rows=count.rows,
                    alarm_rows=count.alarm_rows,
                    alarms=count.alarms,
                    first_seen_ms=_to_ms(count.first_seen),
                    last_seen_ms=_to_ms(count.last_seen),
                )
                added = new.on_conflict_do_update(
                    index_elements=["name", "version", "limit_key", "asset"],
                    set_={
                        "rows": live.c.rows + new.excluded.rows,
                        "alarm_rows": live.c.alarm_rows + new.excluded.alarm_rows,
                        "alarms": live.c.alarms + new.excluded.alarms,
                        "first_seen_ms": smallest(live.c.first_seen_ms, new.excluded.first_seen_ms),
                        "last_seen_ms": largest(live.c.last_seen_ms, new.excluded.last_seen_ms),
                    },
                )
                row = connection.execute(added.returning(live)).one()
                totals[key] = _count(row)
        return totals

    def of(self, entry: DetectorEntry) -> tuple[LiveCount, ...]:
        mine = (live.c.name == entry.name) & (live.c.version == entry.current.version)
        in_force = mine & (live.c.limit_key == limit_key(entry.threshold))
        with read(self._engine) as connection:
            return tuple(_count(row) for row in connection.execute(select(live).where(in_force).order_by(live.c.asset)))


def _count(row: Row[Any]) -> LiveCount:
    return LiveCount(
        row.asset or None,
        row.rows,
        row.alarm_rows,
        row.alarms,
        _from_ms(row.first_seen_ms),
        _from_ms(row.last_seen_ms),
    )


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _from_ms(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1000, UTC)
