"""Alerts on their way to the suite's list, without making a score wait for them."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from services.anomaly.adapters.score_metrics import ScoreMetrics
from shared.contracts.alert import Alert
from shared.events import EventsUnavailable, publish_alert
from shared.log import get_logger

# Calls whose alerts are under way; more than this means that Redis hangs, and waiting longer helps nobody.
_UNDER_WAY_LIMIT = 256

log = get_logger(__name__)


class RedisAlerts:
    """Implements `scoring.AlertSink`; what cannot be sent is counted and logged."""

    def __init__(self, redis: Redis, metrics: ScoreMetrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, alerts: Sequence[Alert]) -> None:
        if not alerts:
            return
        self._metrics.raised(alerts)
        if len(self._under_way) >= _UNDER_WAY_LIMIT:
            self._lost(alerts, "too many alerts are under way")
            return
        task = asyncio.create_task(self._send(alerts))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def drain(self) -> None:
        """Wait for the alerts under way, when the process ends."""
        await asyncio.gather(*self._under_way)

    async def _send(self, alerts: Sequence[Alert]) -> None:
        for position, alert in enumerate(alerts):
            try:
                await publish_alert(self._redis, alert)
            except EventsUnavailable as error:
                self._lost(alerts[position:], error.code)
                return

    def _lost(self, alerts: Sequence[Alert], reason: str) -> None:
        self._metrics.alerts_lost.inc(len(alerts))
        log.warning("alerts_lost", count=len(alerts), first=alerts[0].dedup_key, reason=reason)
