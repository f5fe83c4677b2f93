"""The list of alerts in the database."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from anyio import to_thread
from sqlalchemy import Connection, Engine, insert, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from services.gateway.adapters.alert_rows import stored_alert
from services.gateway.adapters.moments import to_ms
from services.gateway.adapters.sql_notices import want_notice
from services.gateway.adapters.subtrees import lies_within
from services.gateway.adapters.tables import alerts
from services.gateway.domain.alerts import AlertFilter, AlertState, StoredAlert
from services.gateway.domain.errors import AlertMissing
from services.gateway.domain.notifications import NotificationPolicy
from services.gateway.domain.pages import Page, read_dated_cursor, write_dated_cursor
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.database import read, take_turns, write
from shared.retention import delete_rows


class SqlAlerts:
    """Implements `alerts.AlertStore`.

    Parameters
    ----------
    policy
        Which alerts people are told about; `None` where they are told about none.
    """

    def __init__(self, engine: Engine, clock: Clock, policy: NotificationPolicy | None) -> None:
        self._engine, self._clock, self._policy = engine, clock, policy

    async def get(self, alert_id: str) -> StoredAlert:
        return await to_thread.run_sync(self._get, alert_id)

    async def page(self, wanted: AlertFilter, *, limit: int, cursor: str | None) -> Page[StoredAlert]:
        return await to_thread.run_sync(self._page, wanted, limit, read_dated_cursor(cursor))

    async def acknowledge(self, alert_id: str, *, by: str, now: datetime) -> StoredAlert:
        return await to_thread.run_sync(partial(self._acknowledge, alert_id, by=by, now=now))

    async def take(self, alerts: Sequence[Alert]) -> None:
        await to_thread.run_sync(self._take, alerts)

    def remove_acknowledged(self, before: datetime) -> int:
        """Remove alerts that were acknowledged before a moment; returns how many. Blocks, so call it in a thread.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        """
        old = (alerts.c.state == AlertState.ACKNOWLEDGED.value) & (alerts.c.acknowledged_at_ms < to_ms(before))
        return delete_rows(self._engine, alerts, old)

    def _get(self, alert_id: str) -> StoredAlert:
        with read(self._engine) as connection:
            return _find(connection, alert_id)

    def _page(self, wanted: AlertFilter, limit: int, before: tuple[int, str] | None) -> Page[StoredAlert]:
        query = select(alerts).order_by(alerts.c.occurred_at_ms.desc(), alerts.c.alert_id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(tuple_(alerts.c.occurred_at_ms, alerts.c.alert_id) < tuple_(*before))
        if wanted.state is not None:
            query = query.where(alerts.c.state == wanted.state.value)
        if wanted.severity is not None:
            query = query.where(alerts.c.severity == wanted.severity.value)
        if wanted.asset is not None:
            query = query.where(self._below([wanted.asset]))
        if wanted.roots:
            query = query.where(self._below(wanted.roots))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            tuple(map(stored_alert, rows[:limit])),
            None if last is None else write_dated_cursor(last.occurred_at_ms, last.alert_id),
        )

    def _below(self, roots: Sequence[str]) -> ColumnElement[bool]:
        return lies_within(alerts.c.asset, roots, self._engine.dialect)

    def _acknowledge(self, alert_id: str, *, by: str, now: datetime) -> StoredAlert:
        with write(self._engine) as connection:
            connection.execute(
                update(alerts)
                .where(alerts.c.alert_id == alert_id, alerts.c.state == AlertState.OPEN.value)
                .values(
                    state=AlertState.ACKNOWLEDGED.value,
                    acknowledged_by=by,
                    acknowledged_at_ms=to_ms(now),
                    # Somebody knows: what was not delivered by now need not be.
                    notify_due_at_ms=None,
                )
            )
            return _find(connection, alert_id)

    def _take(self, new: Sequence[Alert]) -> None:
        with write(self._engine) as connection:
            # Two gateways that hear of one condition at once would otherwise make two entries of it.
            take_turns(connection, {f"alert {alert.dedup_key}" for alert in new})
            for alert in new:
                if _put(connection, alert) and self._policy is not None:
                    want_notice(connection, alert, self._policy, now=self._clock.now())


def _put(connection: Connection, alert: Alert) -> bool:
    """Put an alert on the list; says whether it was new, as a message may be delivered twice."""
    known = select(alerts.c.alert_id).where(or_(alerts.c.alert_id == alert.id, alerts.c.last_alert_id == alert.id))
    if connection.execute(known).first() is not None:
        return False
    newest = {
        "severity": alert.severity.value,
        "message": alert.message,
        "facts": dict(alert.facts),
        "last_occurred_at_ms": to_ms(alert.occurred_at),
        "last_alert_id": alert.id,
    }
    counted = connection.execute(
        update(alerts)
        .where(alerts.c.dedup_key == alert.dedup_key, alerts.c.state == AlertState.OPEN.value)
        .values(newest | {"occurrences": alerts.c.occurrences + 1})
    )
    if not counted.rowcount:
        connection.execute(
            insert(alerts).values(
                alert_id=alert.id,
                source=alert.source,
                kind=alert.kind,
                asset=alert.asset,
                subject=alert.subject,
                dedup_key=alert.dedup_key,
                state=AlertState.OPEN.value,
                occurrences=1,
                occurred_at_ms=to_ms(alert.occurred_at),
                **newest,
            )
        )
    return True


def _find(connection: Connection, alert_id: str) -> StoredAlert:
    row = connection.execute(select(alerts).where(alerts.c.alert_id == alert_id)).one_or_none()
    if row is None:
        raise AlertMissing(alert_id)
    return stored_alert(row)
