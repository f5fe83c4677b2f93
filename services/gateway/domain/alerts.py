"""The one list of alerts of the suite."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.errors import AlertMissing
from services.gateway.domain.pages import Page
from services.gateway.domain.sessions import AuditTrail
from shared.clock import Clock
from shared.contracts.alert import Alert, Severity
from shared.principal import Principal


class AlertState(StrEnum):
    """Whether a person has taken note."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A condition on the list.

    Parameters
    ----------
    alert
        As it was first raised; severity, message and facts are those of the newest occurrence.
    occurrences
        How often it was raised since it is on the list.
    last_occurred_at
        When it was raised last.
    """

    alert: Alert
    state: AlertState
    occurrences: int
    last_occurred_at: datetime
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts a caller asks for, and which it may see.

    Parameters
    ----------
    asset
        Only this asset and what lies below it.
    roots
        Subtrees that the caller is limited to; empty means all.
    """

    state: AlertState | None = None
    severity: Severity | None = None
    asset: str | None = None
    roots: tuple[str, ...] = ()


class AlertStore(Protocol):
    """Keeps alerts; each method is one transaction."""

    async def get(self, alert_id: str) -> StoredAlert:
        """Raise `AlertMissing` if there is none."""
        ...

    async def page(self, wanted: AlertFilter, *, limit: int, cursor: str | None) -> Page[StoredAlert]:
        """Alerts, newest first."""
        ...

    async def acknowledge(self, alert_id: str, *, by: str, now: datetime) -> StoredAlert:
        """Mark an alert; one that is acknowledged already keeps the name of who was first."""
        ...

    async def take(self, alerts: Sequence[Alert]) -> None:
        """Put alerts on the list, or count them on the open entry with the same key."""
        ...


class AlertList:
    """What people do with the list."""

    def __init__(self, *, alerts: AlertStore, audit: AuditTrail, clock: Clock) -> None:
        self._alerts = alerts
        self._audit = audit
        self._clock = clock

    async def page(
        self, caller: Principal, wanted: AlertFilter, *, limit: int, cursor: str | None
    ) -> Page[StoredAlert]:
        """List the alerts that the caller may see, newest first."""
        reachable = replace(wanted, roots=caller.assets)
        return await self._alerts.page(reachable, limit=limit, cursor=cursor)

    async def acknowledge(self, caller: Principal, alert_id: str, source: Source) -> StoredAlert:
        """Take note of an alert.

        Raises
        ------
        AlertMissing
            If there is no such alert, or it concerns an asset out of the caller's reach.
        """
        found = await self._alerts.get(alert_id)
        if not caller.may_reach(found.alert.asset):
            raise AlertMissing(alert_id)
        now = self._clock.now()
        event = Event(now, caller.subject, Action.ALERT_ACKNOWLEDGED.value, alert_id, success=True, source=source)
        async with self._audit.together(event):
            return await self._alerts.acknowledge(alert_id, by=caller.subject, now=now)
