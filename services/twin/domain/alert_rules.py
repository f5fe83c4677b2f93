"""When a prediction is worth telling a person: it left its range, and nobody was told a moment ago."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.twin.domain.prediction import Prediction
from shared.contracts.alert import Alert, Severity
from shared.errors import JSON, AppError, Kind

DEFAULT_COOLDOWN_S = 300.0
_LONGEST_COOLDOWN_S = 7 * 24 * 3600.0
# Pairs of model and asset whose last alert is remembered; beyond that the oldest may alert again a little early.
_REMEMBERED = 10_000


class AlertRulesInvalid(AppError):
    """The rules contradict themselves."""

    kind, code = Kind.INVALID, "twin.alert_rules_invalid"


@dataclass(frozen=True, slots=True)
class AlertRules:
    """The range a model's predictions should stay in.

    Parameters
    ----------
    minimum, maximum
        Closed range [unit of the target]; `None` for no bound on that side.
    cooldown_s
        No second alert for the same model and asset within this time [s].
    """

    minimum: float | None = None
    maximum: float | None = None
    cooldown_s: float = DEFAULT_COOLDOWN_S
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        if not all(map(math.isfinite, bounds)) or bounds != sorted(bounds) or len(set(bounds)) != len(bounds):
            raise AlertRulesInvalid("the minimum must lie below the maximum, and both must be finite")
        if not 0.0 <= self.cooldown_s <= _LONGEST_COOLDOWN_S:
            raise AlertRulesInvalid(f"the cool-down must lie between 0 and {_LONGEST_COOLDOWN_S:g} seconds")

    def allows(self, prediction: float) -> bool:
        """Whether the prediction is inside its range."""
        return (self.minimum is None or prediction >= self.minimum) and (
            self.maximum is None or prediction <= self.maximum
        )


class CoolDown:
    """Remembers when each model and asset last raised an alert; one process's memory, bounded."""

    def __init__(self) -> None:
        self._last_s: OrderedDict[tuple[str, str | None], float] = OrderedDict()

    def passed(self, key: tuple[str, str | None], *, now_s: float, cooldown_s: float) -> bool:
        """Whether an alert is due; if so, the next one is due a cool-down later."""
        last_s = self._last_s.get(key)
        if last_s is not None and now_s - last_s < cooldown_s:
            return False
        self._last_s[key] = now_s
        self._last_s.move_to_end(key)
        if len(self._last_s) > _REMEMBERED:
            self._last_s.popitem(last=False)
        return True


def range_alert(
    rules: AlertRules,
    prediction: Prediction,
    *,
    alert_id: str,
    occurred_at: datetime,
    asset: str | None,
    user: str,
    inputs: Mapping[str, JSON],
) -> Alert:
    """The alert for a prediction outside its range, with everything a person needs to judge it."""
    lower = "-∞" if rules.minimum is None else f"{rules.minimum:g}"
    upper = "∞" if rules.maximum is None else f"{rules.maximum:g}"
    unit = f" {prediction.unit}" if prediction.unit else ""
    return Alert(
        id=alert_id,
        source="twin",
        kind="prediction_out_of_range",
        severity=rules.severity,
        asset=asset,
        subject=prediction.model,
        message=f"{prediction.model} predicts {prediction.prediction:g}{unit}, outside {lower} to {upper}{unit}",
        occurred_at=occurred_at,
        dedup_key=f"twin:prediction_out_of_range:{prediction.model}:{asset or ''}",
        facts={
            "prediction": prediction.prediction,
            "unit": prediction.unit,
            "minimum": rules.minimum,
            "maximum": rules.maximum,
            "version": prediction.version,
            "user": user,
            "inputs": inputs,
        },
    )
