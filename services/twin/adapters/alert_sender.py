"""Raises an alert when a prediction breaks its rules; never keeps a prediction waiting, never fails one."""

from collections.abc import Mapping
from uuid import uuid4

from services.twin.adapters.alert_outbox import AlertOutbox
from services.twin.domain.alert_messages import make_alert
from services.twin.domain.alerting import RuleBook
from services.twin.domain.excursions import Excursions
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.clock import Clock
from shared.errors import JSON


class AlertSender:
    """Implements `serving.PredictionWatch`."""

    def __init__(self, outbox: AlertOutbox, rules: RuleBook, clock: Clock) -> None:
        self._outbox, self._rules, self._clock = outbox, rules, clock
        self._excursions = Excursions()

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
            self._outbox.put(alert)
