"""Sends alerts about coverage; one that cannot be sent now waits until it can."""

import asyncio

from redis.asyncio import Redis

from shared.contracts.alert import Alert
from shared.errors import AppError
from shared.events import publish_alert
from shared.log import get_logger

log = get_logger(__name__)


class CoverageAlarms:
    """The newest alert of each version that has not been sent yet.

    An alarm is raised once, however long it lasts: it must not be lost with the Redis that was away in that moment.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[str, Alert] = {}
        self._told = False
        self._flushing = asyncio.Lock()

    def raise_alert(self, alert: Alert) -> None:
        """Have an alert sent with the next `flush`."""
        self._waiting[alert.dedup_key] = alert

    async def flush(self) -> None:
        """Send what waits; one flush at a time, so that nothing is sent twice."""
        async with self._flushing:
            for key, alert in list(self._waiting.items()):
                try:
                    await publish_alert(self._redis, alert)
                except AppError as error:
                    # Once for an outage, not at every try.
                    if not self._told:
                        log.warning("alert_waits", kind=alert.kind, model=alert.subject, code=error.code)
                    self._told = True
                    return
                self._told = False
                # A newer one may have come while this one was on its way.
                if self._waiting.get(key) is alert:
                    del self._waiting[key]
