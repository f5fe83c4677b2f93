"""Sends an alert when a prediction leaves its range; never keeps a prediction waiting, never fails one."""

import asyncio
from collections.abc import Mapping
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter
from redis.asyncio import Redis

from services.twin.domain.alert_rules import CoolDown, range_alert
from services.twin.domain.alerting import RuleBook
from services.twin.domain.prediction import Prediction
from services.twin.domain.predictor import Requester
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.errors import JSON, AppError
from shared.events import publish_alert
from shared.log import get_logger

log = get_logger(__name__)


class AlertSender:
    """Implements `predictor.PredictionWatch`."""

    def __init__(self, redis: Redis, rules: RuleBook, clock: Clock, metrics: CollectorRegistry) -> None:
        self._redis, self._rules, self._clock = redis, rules, clock
        self._cool_down = CoolDown()
        self._sending: set[asyncio.Task[None]] = set()
        self._sent = Counter(
            "futago_twin_alerts", "Alerts raised by predictions", ("model", "outcome"), registry=metrics
        )

    def seen(self, prediction: Prediction, inputs: Mapping[str, JSON], requester: Requester) -> None:
        """Look at a prediction; an alert goes out in the background."""
        rules = self._rules.rules_of(prediction.model)
        if rules is None or rules.allows(prediction.prediction):
            return
        key = (prediction.model, requester.asset)
        if not self._cool_down.passed(key, now_s=self._clock.monotonic_s(), cooldown_s=rules.cooldown_s):
            return
        alert = range_alert(
            rules,
            prediction,
            alert_id=uuid4().hex,
            occurred_at=self._clock.now(),
            asset=requester.asset,
            user=requester.user,
            inputs=inputs,
        )
        task = asyncio.create_task(self._send(alert))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Wait for the alerts that are on their way; Redis answers or times out within a moment."""
        await asyncio.gather(*self._sending)

    async def _send(self, alert: Alert) -> None:
        try:
            await publish_alert(self._redis, alert)
        except AppError as error:
            self._sent.labels(alert.subject, "failed").inc()
            log.warning("alert_not_sent", model=alert.subject, asset=alert.asset, code=error.code, alert=alert.message)
        else:
            self._sent.labels(alert.subject, "sent").inc()
