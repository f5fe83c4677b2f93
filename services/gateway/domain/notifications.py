"""Which alerts people are told about, when again, and in what words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.gateway.domain.alerts import StoredAlert
from shared.clock import rfc3339
from shared.contracts.alert import Severity

_RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
# More alerts than this at once are told in one message: a plant that trips raises hundreds, and nobody reads those.
LONGEST_SERIES = 5
_DIGEST_LINES = 20
_LONGEST_FACT = 200
# First pause after a delivery that failed, doubled up to the longest one: 5 s, 10 s, 20 s … 10 min.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class Notified:
    """When people were last told about a condition, and how serious it was then."""

    at: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class NotificationPolicy:
    """When an alert is worth a message.

    Parameters
    ----------
    minimum_severity
        Alerts below it stay on the list.
    repeat_after_s
        People are told again about the same condition (`dedup_key`) after this time at the earliest [s], unless it
        became more serious.
    """

    minimum_severity: Severity
    repeat_after_s: float

    def wants(self, severity: Severity, former: Notified | None, *, now: datetime) -> bool:
        """Whether people are to be told of an alert, after what they were told before."""
        if _RANKS[severity] < _RANKS[self.minimum_severity]:
            return False
        if former is None or _RANKS[severity] > _RANKS[former.severity]:
            return True
        return now - former.at >= timedelta(seconds=self.repeat_after_s)


@dataclass(frozen=True, slots=True)
class Due:
    """An alert that people are to be told about.

    Parameters
    ----------
    attempts
        How often its delivery has failed.
    reached
        Labels of the destinations that have it already.
    """

    stored: StoredAlert
    attempts: int = 0
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Notice:
    """Alerts that share one message."""

    alerts: tuple[StoredAlert, ...]
    attempts: int
    reached: frozenset[str]

    @property
    def severity(self) -> Severity:
        """The most serious of its alerts."""
        return max((stored.alert.severity for stored in self.alerts), key=_RANKS.__getitem__)

    @property
    def title(self) -> str:
        """One line for a phone's screen."""
        if len(self.alerts) == 1:
            alert = self.alerts[0].alert
            return f"{alert.severity.value}: {alert.subject}" + (f" on {alert.asset}" if alert.asset else "")
        return f"{self.severity.value}: {len(self.alerts)} alerts"

    @property
    def body(self) -> str:
        """What happened, where and since when."""
        if len(self.alerts) == 1:
            return _in_full(self.alerts[0])
        lines = [_in_short(stored) for stored in self.alerts[:_DIGEST_LINES]]
        more = len(self.alerts) - len(lines)
        return "\n".join([*lines, f"and {more} more"] if more else lines)


def bundle(due: Sequence[Due]) -> tuple[Notice, ...]:
    """One notice for each alert that is due, or one for all where there are many."""
    if len(due) <= LONGEST_SERIES:
        return tuple(Notice((item.stored,), item.attempts, item.reached) for item in due)
    alerts = tuple(item.stored for item in due)
    reached = frozenset.intersection(*(item.reached for item in due))
    return (Notice(alerts, max(item.attempts for item in due), reached),)


def pause_s(attempts: int) -> float:
    """How long to wait after so many deliveries that failed [s]."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 10), _LONGEST_PAUSE_S)


def _in_full(stored: StoredAlert) -> str:
    alert = stored.alert
    since = f"since {rfc3339(alert.occurred_at)}, {stored.occurrences} times" if stored.occurrences > 1 else ""
    facts = [f"{name}: {value}"[:_LONGEST_FACT] for name, value in alert.facts.items() if value is not None]
    return "\n".join(
        line
        for line in (alert.message, f"at {rfc3339(stored.last_occurred_at)}", since, *facts, f"alert {alert.id}")
        if line
    )


def _in_short(stored: StoredAlert) -> str:
    alert = stored.alert
    where = f" ({alert.asset})" if alert.asset else ""
    return f"{alert.severity.value}: {alert.message}{where} at {rfc3339(stored.last_occurred_at)}"
