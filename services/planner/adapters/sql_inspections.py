"""The inspections in the database."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Engine, Row, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from services.planner.adapters.cursors import read_cursor, to_moment, to_ms, write_cursor
from services.planner.adapters.tables import inspections
from services.planner.domain.inspections import Inspection, InspectionDiffers, InspectionPage
from shared.database import read, write

# Databases take a limited number of parameters in one statement.
_DEVICES_AT_ONCE: Final = 400


class SqlInspections:
    """Implements `inspections.InspectionStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, inspection: Inspection) -> Inspection:
        row = {
            "id": inspection.id,
            "device": inspection.device,
            "asset": inspection.asset or "",
            "started": inspection.started,
            "finished": inspection.finished,
            "findings": inspection.findings,
            "recorded_by": inspection.recorded_by,
            "recorded_at_ms": to_ms(inspection.recorded_at),
        }
        same = (
            (inspections.c.device == row["device"])
            & (inspections.c.asset == row["asset"])
            & (inspections.c.finished == row["finished"])
        )
        with write(self._engine) as connection:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            # Of two requests at once the second finds what the first has written.
            connection.execute(
                make(inspections).values(row).on_conflict_do_nothing(index_elements=["device", "asset", "finished"])
            )
            kept = _inspection(connection.execute(select(inspections).where(same)).one())
        if not kept.says_the_same(inspection):
            raise InspectionDiffers(inspection.device, inspection.finished)
        return kept

    def page(self, *, device: str | None, limit: int, cursor: str | None) -> InspectionPage:
        columns = inspections.c
        query = select(inspections).order_by(columns.recorded_at_ms.desc(), columns.id.desc()).limit(limit + 1)
        if device is not None:
            query = query.where(columns.device == device)
        if cursor is not None:
            query = query.where(tuple_(columns.recorded_at_ms, columns.id) < tuple_(*read_cursor(cursor)))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        last = rows[limit - 1] if len(rows) > limit else None
        next_cursor = None if last is None else write_cursor(last.recorded_at_ms, last.id)
        return InspectionPage(tuple(_inspection(row) for row in rows[:limit]), next_cursor)

    def last_ends(
        self, devices: Sequence[tuple[str, str | None]], before: date
    ) -> Mapping[tuple[str, str | None], date]:
        columns = inspections.c
        names = sorted({device for device, _ in devices})
        found: dict[tuple[str, str | None], date] = {}
        with read(self._engine) as connection:
            for first in range(0, len(names), _DEVICES_AT_ONCE):
                query = (
                    select(columns.device, columns.asset, func.max(columns.finished).label("finished"))
                    .where(columns.device.in_(names[first : first + _DEVICES_AT_ONCE]), columns.finished < before)
                    .group_by(columns.device, columns.asset)
                )
                found |= {(row.device, row.asset or None): row.finished for row in connection.execute(query)}
        wanted = set(devices)
        return {key: finished for key, finished in found.items() if key in wanted}


def _inspection(row: Row[Any]) -> Inspection:
    return Inspection(
        id=row.id,
        device=row.device,
        asset=row.asset or None,
        started=row.started,
        finished=row.finished,
        findings=row.findings,
        recorded_by=row.recorded_by,
        recorded_at=to_moment(row.recorded_at_ms),
    )
