"""The hours of assets in the database; every replica adds to the same ones."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.anomaly.adapters.tables import health, resets
from services.anomaly.domain.health_history import History, HourKey, HourSum, hour_of, last_believed_hour
from shared.database import read, write

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of each asset and detector, back from its own newest hour: longer than any trend looks back.
_KEPT_H = 90 * 24


class SqlHealth:
    """Implements `health_history.HealthStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, increments: Mapping[HourKey, HourSum], now: datetime) -> None:
        with write(self._engine) as connection:
            add_health(connection, increments, now)

    def history(self, asset: str) -> History:
        with read(self._engine) as connection:
            reset_us: int | None = connection.scalar(select(resets.c.reset_at_us).where(resets.c.asset == asset))
            query = select(health).where(health.c.asset == asset).order_by(health.c.detector, health.c.hour)
            if reset_us is not None:
                query = query.where(health.c.hour >= hour_of(_from_us(reset_us)))
            rows = connection.execute(query).all()
        hours: dict[str, list[tuple[int, HourSum]]] = {}
        for row in rows:
            total = HourSum(row.rows, row.severity_sum, _from_us(row.last_at_us))
            hours.setdefault(row.detector, []).append((row.hour, total))
        return History(hours, None if reset_us is None else _from_us(reset_us))

    def reset(self, asset: str, at: datetime) -> None:
        at_us = _to_us(at)
        with write(self._engine) as connection:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            statement = make(resets).values(asset=asset, reset_at_us=at_us)
            newer = statement.on_conflict_do_update(
                index_elements=["asset"], set_={"reset_at_us": at_us}, where=resets.c.reset_at_us < at_us
            )
            if connection.execute(newer.returning(resets.c.asset)).first() is not None:
                # The hour of the inspection began before it; what is scored in the rest of it begins it anew.
                connection.execute(delete(health).where(health.c.asset == asset, health.c.hour <= hour_of(at)))


def add_health(connection: Connection, increments: Mapping[HourKey, HourSum], now: datetime) -> None:
    """Add to the hours of assets, in the caller's transaction, and forget what no trend looks back on."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # In one order for all replicas, so that no two of them wait for each other.
    for key in sorted(increments, key=lambda key: (key.asset, key.detector, key.hour)):
        added = increments[key]
        last_at_us = _to_us(added.last_at)
        statement = make(health).values(
            asset=key.asset,
            detector=key.detector,
            hour=key.hour,
            rows=added.rows,
            severity_sum=added.severity_sum,
            last_at_us=last_at_us,
        )
        new = statement.excluded
        newest = func.greatest if connection.dialect.name == "postgresql" else func.max
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["asset", "detector", "hour"],
                set_={
                    "rows": health.c.rows + new.rows,
                    "severity_sum": health.c.severity_sum + new.severity_sum,
                    "last_at_us": newest(health.c.last_at_us, new.last_at_us),
                },
            )
        )
    for asset, detector in sorted({(key.asset, key.detector) for key in increments}):
        mine = (health.c.asset == asset) & (health.c.detector == detector)
        present = mine & (health.c.hour <= last_believed_hour(now))
        last = select(func.max(health.c.hour)).where(present).scalar_subquery()
        connection.execute(delete(health).where(mine, health.c.hour < last - _KEPT_H))


def _to_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _from_us(moment_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=moment_us)
