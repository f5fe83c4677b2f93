"""Alerts on their way out of this process; one that cannot be sent now waits until it can."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter

from shared.contracts.alert import Alert
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

# Conditions that wait at once; beyond that the one that waited longest is dropped and counted.
_MOST_WAITING = 1_000


class AlertOutbox:
    """The newest alert of each condition that has not been sent yet.

    A condition is told when it begins, and then not for long: its alert must not be lost with the Redis that was away
    in that moment, and nobody waits for that Redis either.

    Parameters
    ----------
    publish
        Hands an alert on; may raise an `AppError`.
    """

    def __init__(self, publish: Callable[[Alert], Awaitable[object]], metrics: CollectorRegistry) -> None:
        self._publish = publish
        self._waiting: OrderedDict[str, Alert] = OrderedDict()
        self._outage = False
        self._sending: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        self._outcomes = Counter("futago_twin_alerts", "Alerts by what became of them", ("outcome",), registry=metrics)
        for outcome in ("sent", "delayed", "dropped"):
            self._outcomes.labels(outcome)

    def put(self, alert: Alert) -> None:
        """Have an alert sent in the background."""
        self._waiting[alert.dedup_key] = alert
        if len(self._waiting) > _MOST_WAITING:
            _, oldest = self._waiting.popitem(last=False)
            self._drop(oldest, "too many wait")
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Try to send all that waits; one flush at a time, so that nothing is sent twice."""
        async with self._flushing:
            while self._waiting:
                key, alert = next(iter(self._waiting.items()))
                try:
                    await self._publish(alert)
                except AppError as error:
                    self._delay(alert, error)
                    return
                except Exception:
                    # A bug in one alert must not keep those behind it.
                    log.exception("alert_not_sendable", kind=alert.kind, model=alert.subject)
                    self._drop(alert, "it has no form that can be sent")
                else:
                    self._outage = False
                    self._outcomes.labels("sent").inc()
                # A newer one may have come while this one was on its way.
                if self._waiting.get(key) is alert:
                    del self._waiting[key]

    async def follow(self, every_s: float, stop: asyncio.Event) -> None:
        """Try again what waits, until told to stop."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
                return
            await self.flush()

    async def close(self) -> None:
        """Send what is on its way, and what waits a last time."""
        if self._sending is not None:
            await self._sending
        await self.flush()
        for alert in self._waiting.values():
            self._drop(alert, "the process ends")

    def _delay(self, alert: Alert, error: AppError) -> None:
        self._outcomes.labels("delayed").inc()
        # Once for an outage, not at every try.
        if not self._outage:
            log.warning("alerts_wait", kind=alert.kind, model=alert.subject, code=error.code)
        self._outage = True

    def _drop(self, alert: Alert, reason: str) -> None:
        self._outcomes.labels("dropped").inc()
        log.error("alert_dropped", reason=reason, kind=alert.kind, model=alert.subject, asset=alert.asset)
