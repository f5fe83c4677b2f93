"""Brings the audit trail to where it is kept besides: at least once, in order, at its own pace."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Protocol

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.gateway.adapters.sql_exports import SqlExports
from services.gateway.domain.audit import Entry
from shared.back_off import BackOff
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

_AT_ONCE = 500
_LOOK_S = 1.0
_BACK_OFF_MAX_S = 60.0


class Destination(Protocol):
    """Where the trail goes; called in a thread."""

    @property
    def name(self) -> str:
        """Tells it from others, in the table of cursors and in metrics."""
        ...

    def send(self, entries: Sequence[Entry]) -> None:
        """Return when the entries have left this machine or are on its disk; raise `OSError` if they have not."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class ExportMetrics:
    """How far destinations are behind, and what failed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "futago_gateway_audit_export_lag",
            "Entries of the audit trail that a destination does not have yet",
            ["destination"],
            registry=registry,
        )
        self.failures = Counter(
            "futago_gateway_audit_export_failures",
            "Attempts to send entries that failed",
            ["destination"],
            registry=registry,
        )


class AuditExporter:
    """Sends the trail to one destination; of several replicas, one at a time does."""

    def __init__(self, destination: Destination, exports: SqlExports, clock: Clock, metrics: ExportMetrics) -> None:
        self._destination = destination
        self._exports = exports
        self._clock = clock
        self._lag = metrics.lag.labels(destination.name)
        self._failures = metrics.failures.labels(destination.name)
        self._holder = secrets.token_hex(8)

    async def run(self) -> None:
        """Send until cancelled; what does not take the entries is tried again, ever more slowly."""
        back_off = BackOff(first_s=_LOOK_S, longest_s=_BACK_OFF_MAX_S)
        try:
            while True:
                try:
                    sent = await to_thread.run_sync(self.send_some)
                    back_off.reset()
                    if not sent:
                        await asyncio.sleep(_LOOK_S)
                except (AppError, OSError) as error:
                    self._failures.inc()
                    log.warning("audit_export_waits", destination=self._destination.name, error=type(error).__name__)
                    await back_off.pause()
        finally:
            self._destination.close()

    def send_some(self) -> bool:
        """Send the next entries, if there are any and no other replica does; false if nothing was sent.

        Raises
        ------
        OSError
            If the destination does not take them.
        DatabaseUnavailable
            If the database does not answer.
        """
        name = self._destination.name
        lag = self._exports.lag(name)
        self._lag.set(lag.entries)
        if not lag.entries or not self._exports.hold(name, self._holder, self._clock.now()):
            return False
        entries = self._exports.following(lag.sequence, _AT_ONCE)
        if not entries:
            return False
        self._destination.send(entries)
        # Only now: a process that dies in between sends them again.
        self._exports.move(name, self._holder, entries[-1].sequence)
        self._lag.set(lag.sequence + lag.entries - entries[-1].sequence)
        return True
