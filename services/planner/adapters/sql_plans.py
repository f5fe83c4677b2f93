"""The plans in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from services.planner.adapters.cursors import read_cursor, to_moment, to_ms, write_cursor
from services.planner.adapters.tables import plans
from services.planner.domain.plan_records import PlanMissing, PlanPage, PlanRecord, PlanSummary
from shared.database import read, write
from shared.errors import JSON
from shared.jobs.retention import is_unfinished
from shared.retention import delete_rows

_SUMMARY = [
    plans.c[name] for name in ("id", "name", "owner", "assets", "found", "finished", "created_at_ms", "updated_at_ms")
]


class SqlPlans:
    """Implements `plan_records.PlanStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, plan: PlanRecord) -> None:
        with write(self._engine) as connection:
            add_plan(connection, plan)

    def get(self, plan_id: str) -> PlanRecord:
        with read(self._engine) as connection:
            row = connection.execute(select(plans).where(plans.c.id == plan_id)).one_or_none()
        if row is None:
            raise PlanMissing(plan_id)
        return PlanRecord(
            summary=_summary(row),
            request=row.request,
            assignments=None if row.assignments is None else tuple(row.assignments),
        )

    def page(self, *, limit: int, cursor: str | None) -> PlanPage:
        query = select(*_SUMMARY).order_by(plans.c.created_at_ms.desc(), plans.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(tuple_(plans.c.created_at_ms, plans.c.id) < tuple_(*read_cursor(cursor)))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        next_cursor = write_cursor(rows[limit - 1].created_at_ms, rows[limit - 1].id) if len(rows) > limit else None
        return PlanPage(tuple(_summary(row) for row in rows[:limit]), next_cursor)

    def remove_old(self, before: datetime) -> int:
        """Remove plans that changed last before a moment, except those whose search waits or runs; returns how many.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        """
        return delete_rows(self._engine, plans, (plans.c.updated_at_ms < to_ms(before)) & ~is_unfinished(plans.c.id))

    def request_stop(self, plan_id: str) -> None:
        with write(self._engine) as connection:
            found = connection.execute(update(plans).where(plans.c.id == plan_id).values(stop_requested=True))
        if found.rowcount == 0:
            raise PlanMissing(plan_id)


def add_plan(connection: Connection, plan: PlanRecord) -> None:
    """Keep a plan that has only been asked for; one of this id that is there already stays as it is."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {
        "id": plan.summary.id,
        "name": plan.summary.name,
        "owner": plan.summary.owner,
        "assets": list(plan.summary.assets),
        "request": plan.request,
        "finished": plan.summary.finished,
        "stop_requested": False,
        "created_at_ms": to_ms(plan.summary.created_at),
        "updated_at_ms": to_ms(plan.summary.updated_at),
    }
    connection.execute(make(plans).values(row).on_conflict_do_nothing(index_elements=[plans.c.id]))


def write_found(
    connection: Connection,
    plan_id: str,
    *,
    found: Mapping[str, JSON],
    assignments: Sequence[Mapping[str, JSON]],
    finished: bool,
    at: datetime,
) -> None:
    """Put the best plan so far in the place of the one before."""
    connection.execute(
        update(plans)
        .where(plans.c.id == plan_id)
        .values(found=found, assignments=list(assignments), finished=finished, updated_at_ms=to_ms(at))
    )


def stop_is_requested(engine: Engine, plan_id: str) -> bool:
    """Whether somebody asked the search for a plan to end."""
    with read(engine) as connection:
        return bool(connection.scalar(select(plans.c.stop_requested).where(plans.c.id == plan_id)))


def _summary(row: Row[Any]) -> PlanSummary:
    return PlanSummary(
        id=row.id,
        name=row.name,
        owner=row.owner,
        created_at=to_moment(row.created_at_ms),
        updated_at=to_moment(row.updated_at_ms),
        assets=tuple(row.assets),
        found=row.found,
        finished=row.finished,
    )
