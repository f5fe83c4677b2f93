"""Sends an alert when a prediction breaks its rules; never keeps a prediction waiting, never fails one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter

from services.twin.domain.alert_messages import make_alert
from services.twin.domain.alerting import RuleBook
from services.twin.domain.excursions import Excursions
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.errors import JSON, AppError
from shared.log import get_logger

log = get_logger(__name__)


class AlertSender:
    """Implements `serving.PredictionWatch`.

    Parameters
    ----------
    publish
        Hands an alert on; may raise an `AppError`.
    """

    def __init__(
        self,
        publish: Callable[[Alert], Awaitable[object]],
        rules: RuleBook,
        clock: Clock,
        metrics: CollectorRegistry,
    ) -> None:
        self._publish, self._rules, self._clock = publish, rules, clock
        self._excursions = Excursions()
        self._sending: set[asyncio.Task[None]] = set()
        self._sent = Counter(
            "futago_twin_alerts", "Alerts raised by predictions", ("model", "outcome"), registry=metrics
        )

    def seen(self, answer: Answer[Prediction], inputs: Mapping[str, JSON], requester: Requester) -> None:
        """Look at a prediction; an alert goes out in the background."""
        prediction = answer.content
        rules = self._rules.rules_of(prediction.model)
        if rules is None:
            return
        at_s, now_s = answer.answered_at.timestamp(), self._clock.monotonic_s()
        for signal in self._excursions.follow(rules, prediction, requester.asset, at_s=at_s, now_s=now_s):
            alert = make_alert(
                signal,
                rules,
                prediction,
                alert_id=uuid4().hex,
                occurred_at=answer.answered_at,
                requester=requester,
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
            await self._publish(alert)
        except AppError as error:
            self._sent.labels(alert.subject, "failed").inc()
            log.warning("alert_not_sent", model=alert.subject, asset=alert.asset, code=error.code, alert=alert.message)
        else:
            self._sent.labels(alert.subject, "sent").inc()
