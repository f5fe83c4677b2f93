"""Alerts that people are still to be told about, in the table of alerts: they outlive the process that took them in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from anyio import to_thread
from sqlalchemy import Connection, Engine, select, update

from services.gateway.adapters.alert_rows import stored_alert
from services.gateway.adapters.moments import from_ms, to_ms
from services.gateway.adapters.tables import alerts
from services.gateway.domain.alerts import StoredAlert
from services.gateway.domain.notifications import Due, NotificationPolicy, Notified, pause_s
from shared.contracts.alert import Alert, Severity
from shared.database import read, write

# Alerts of one pass; more wait for the next.
_CLAIMED_AT_ONCE = 200
# A replica that claimed an alert and died before it said what became of it: then another one delivers it.
_LEASE = timedelta(minutes=5)


def want_notice(connection: Connection, alert: Alert, policy: NotificationPolicy, *, now: datetime) -> None:
    """Have people told of an alert that was just put on the list, where the policy wants it."""
    query = (
        select(alerts.c.notified_at_ms, alerts.c.notified_severity)
        .where(alerts.c.dedup_key == alert.dedup_key, alerts.c.notified_at_ms.is_not(None))
        .order_by(alerts.c.notified_at_ms.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    former = None if row is None else Notified(from_ms(row.notified_at_ms), Severity(row.notified_severity))
    if policy.wants(alert.severity, former, now=now):
        connection.execute(
            update(alerts)
            # One that is due already goes out with what the newest occurrence says.
            .where(alerts.c.last_alert_id == alert.id, alerts.c.notify_due_at_ms.is_(None))
            .values(notify_due_at_ms=to_ms(now), notify_wanted_at_ms=to_ms(now), notify_attempts=0, notify_reached=None)
        )


class SqlNotices:
    """Hands out alerts that are due, each to one replica at a time, and keeps what became of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim(self, *, now: datetime) -> list[Due]:
        """Alerts that are due, oldest first; nobody else gets them before they are settled or the lease ends."""
        return await to_thread.run_sync(partial(self._claim, now=now))

    async def drop_older(self, than: datetime) -> int:
        """Give up on alerts that were wanted before, and say how many."""
        return await to_thread.run_sync(self._drop_older, than)

    async def delivered(self, told: Sequence[StoredAlert], *, now: datetime) -> None:
        """Every destination has these."""
        await to_thread.run_sync(partial(self._delivered, told, now=now))

    async def postpone(
        self, missed: Sequence[StoredAlert], *, attempts: int, reached: frozenset[str], now: datetime
    ) -> None:
        """Try again later; `reached` need not get it twice."""
        await to_thread.run_sync(partial(self._postpone, missed, attempts=attempts, reached=reached, now=now))

    def _claim(self, *, now: datetime) -> list[Due]:
        due = alerts.c.notify_due_at_ms <= to_ms(now)
        # Nearly always there is nothing, and asking that takes no lock.
        with read(self._engine) as connection:
            if connection.execute(select(alerts.c.alert_id).where(due).limit(1)).first() is None:
                return []
        query = select(alerts).where(due).order_by(alerts.c.notify_due_at_ms).limit(_CLAIMED_AT_ONCE)
        with write(self._engine) as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            claimed = alerts.c.alert_id.in_([row.alert_id for row in rows])
            connection.execute(update(alerts).where(claimed).values(notify_due_at_ms=to_ms(now + _LEASE)))
        return [Due(stored_alert(row), row.notify_attempts, frozenset(row.notify_reached or ())) for row in rows]

    def _drop_older(self, than: datetime) -> int:
        old = alerts.c.notify_due_at_ms.is_not(None) & (alerts.c.notify_wanted_at_ms < to_ms(than))
        with read(self._engine) as connection:
            if connection.execute(select(alerts.c.alert_id).where(old).limit(1)).first() is None:
                return 0
        with write(self._engine) as connection:
            return connection.execute(update(alerts).where(old).values(notify_due_at_ms=None)).rowcount

    def _delivered(self, told: Sequence[StoredAlert], *, now: datetime) -> None:
        with write(self._engine) as connection:
            for stored in told:
                is_it = alerts.c.alert_id == stored.alert.id
                severity = stored.alert.severity.value
                told_now = {"notified_at_ms": to_ms(now), "notified_severity": severity}
                connection.execute(update(alerts).where(is_it).values(told_now))
                # One that became more serious while the message was under way is told again.
                as_told = is_it & (alerts.c.severity == severity)
                connection.execute(update(alerts).where(as_told).values(notify_due_at_ms=None))

    def _postpone(
        self, missed: Sequence[StoredAlert], *, attempts: int, reached: frozenset[str], now: datetime
    ) -> None:
        is_missed = alerts.c.alert_id.in_([stored.alert.id for stored in missed])
        later = {
            "notify_due_at_ms": to_ms(now + timedelta(seconds=pause_s(attempts))),
            "notify_attempts": attempts,
            "notify_reached": sorted(reached),
        }
        with write(self._engine) as connection:
            # Unless somebody has acknowledged it meanwhile.
            connection.execute(update(alerts).where(is_missed, alerts.c.notify_due_at_ms.is_not(None)).values(later))
