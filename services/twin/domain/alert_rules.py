"""What a model's predictions should do: stay in a range, and change no faster than the plant can."""

import math
from dataclasses import dataclass

from shared.contracts.alert import Severity
from shared.errors import AppError, Kind

DEFAULT_COOLDOWN_S = 300.0
_LONGEST_COOLDOWN_S = 7 * 24 * 3600.0


class AlertRulesInvalid(AppError):
    """The rules contradict themselves."""

    kind, code = Kind.INVALID, "twin.alert_rules_invalid"


@dataclass(frozen=True, slots=True)
class AlertRules:
    """When a prediction is worth telling a person.

    Parameters
    ----------
    minimum, maximum
        Closed range [unit of the target]; `None` for no bound on that side.
    hysteresis
        An excursion is over only when a prediction is inside the range by this margin [unit of the target].
    rate_limit_per_min
        Fastest change, up or down, between predictions for the same asset [unit of the target per minute].
    cooldown_s
        No second alert of a kind for the same asset within this time; an excursion that lasts longer is told again
        [s]. With 0 each excursion is told once.
    """

    minimum: float | None = None
    maximum: float | None = None
    hysteresis: float = 0.0
    rate_limit_per_min: float | None = None
    cooldown_s: float = DEFAULT_COOLDOWN_S
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        if not all(map(math.isfinite, bounds)) or bounds != sorted(bounds) or len(set(bounds)) != len(bounds):
            raise AlertRulesInvalid("the minimum must lie below the maximum, and both must be finite")
        if not (math.isfinite(self.hysteresis) and self.hysteresis >= 0.0):
            raise AlertRulesInvalid("the hysteresis must be zero or above, and finite")
        if len(bounds) == 2 and 2.0 * self.hysteresis >= bounds[1] - bounds[0]:
            raise AlertRulesInvalid("the hysteresis must be less than half the range: an excursion could never end")
        rate = self.rate_limit_per_min
        if rate is not None and not (math.isfinite(rate) and rate > 0.0):
            raise AlertRulesInvalid("the rate limit must be above zero, and finite")
        if not 0.0 <= self.cooldown_s <= _LONGEST_COOLDOWN_S:
            raise AlertRulesInvalid(f"the cool-down must lie between 0 and {_LONGEST_COOLDOWN_S:g} seconds")

    def allows(self, prediction: float) -> bool:
        """Whether the prediction is inside its range."""
        return self._inside(prediction, margin=0.0)

    def ends_excursion(self, prediction: float) -> bool:
        """Whether the prediction is so far inside that an excursion is over."""
        return self._inside(prediction, margin=self.hysteresis)

    def allows_rate(self, rate_per_min: float) -> bool:
        """Whether the prediction may change so fast [unit of the target per minute]."""
        return self.rate_limit_per_min is None or abs(rate_per_min) <= self.rate_limit_per_min

    def _inside(self, prediction: float, *, margin: float) -> bool:
        return (self.minimum is None or prediction >= self.minimum + margin) and (
            self.maximum is None or prediction <= self.maximum - margin
        )
