"""The alert that a person gets, with everything needed to judge it."""

from collections.abc import Mapping
from datetime import datetime

from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.excursions import Signal, SignalKind
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Requester
from shared.contracts.alert import Alert, Severity
from shared.errors import JSON

_LONGEST_TEXT = 100


def make_alert(
    signal: Signal,
    rules: AlertRules,
    prediction: Prediction,
    *,
    alert_id: str,
    occurred_at: datetime,
    requester: Requester,
    inputs: Mapping[str, JSON],
) -> Alert:
    """The alert for a signal."""
    asset = requester.asset
    return Alert(
        id=alert_id,
        source="twin",
        kind=signal.kind.value,
        # That something is over is good news, whatever it was.
        severity=Severity.INFO if signal.kind is SignalKind.BACK_IN_RANGE else rules.severity,
        asset=asset,
        subject=prediction.model,
        message=_message(signal, rules, prediction),
        occurred_at=occurred_at,
        dedup_key=f"twin:{signal.kind.value}:{prediction.model}:{asset or ''}",
        facts={
            "prediction": prediction.prediction,
            "unit": prediction.unit,
            "lower": prediction.lower,
            "upper": prediction.upper,
            "level": prediction.level,
            "minimum": rules.minimum,
            "maximum": rules.maximum,
            "rate_per_min": signal.rate_per_min,
            "rate_limit_per_min": rules.rate_limit_per_min,
            "version": prediction.version,
            "variant": prediction.variant,
            "status": prediction.status.value,
            "user": requester.user,
            "request_id": requester.request_id,
            "inputs": {name: _readable(value) for name, value in inputs.items()},
        },
    )


def _readable(value: JSON) -> JSON:
    """A value as a person needs it: what stands in a Bad reading may be anything, of any size."""
    if isinstance(value, Mapping):
        return {name: _readable(member) for name, member in value.items() if not isinstance(member, Mapping | list)}
    return value[:_LONGEST_TEXT] if isinstance(value, str) else value


def _message(signal: Signal, rules: AlertRules, prediction: Prediction) -> str:
    unit = f" {prediction.unit}" if prediction.unit else ""
    predicts = f"{prediction.model} predicts {prediction.prediction:g}{unit}"
    if signal.rate_per_min is not None:
        limit = f"{rules.rate_limit_per_min:g}{unit} a minute"
        return f"{predicts} and changes by {signal.rate_per_min:+.3g}{unit} a minute, faster than {limit}"
    lower = "-∞" if rules.minimum is None else f"{rules.minimum:g}"
    upper = "∞" if rules.maximum is None else f"{rules.maximum:g}"
    where = "back inside" if signal.kind is SignalKind.BACK_IN_RANGE else "outside"
    return f"{predicts}, {where} {lower} to {upper}{unit}"
