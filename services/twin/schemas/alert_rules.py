"""Alert rules as JSON."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat

from services.twin.domain.alert_rules import DEFAULT_COOLDOWN_S, AlertRules
from shared.contracts.alert import Severity


class AlertRulesBody(BaseModel):
    """What predictions should do; without bounds and without a rate nothing alerts."""

    model_config = ConfigDict(extra="forbid")

    # Strict, because `true` is no temperature.
    minimum: StrictFloat | None = Field(None, description="lower end of the range [unit of the target]")
    maximum: StrictFloat | None = Field(None, description="upper end of the range [unit of the target]")
    hysteresis: StrictFloat = Field(0.0, description="an excursion ends this far inside the range [unit of the target]")
    rate_limit_per_min: StrictFloat | None = Field(
        None, description="fastest change between predictions for one asset [unit of the target per minute]"
    )
    cooldown_s: StrictFloat = Field(
        DEFAULT_COOLDOWN_S, description="no second alert within this time; 0 tells each excursion once [s]"
    )
    severity: Severity = Severity.WARNING

    def to_rules(self) -> AlertRules:
        """The domain's form; raises `AlertRulesInvalid` if the rules contradict themselves."""
        return AlertRules(
            minimum=self.minimum,
            maximum=self.maximum,
            hysteresis=self.hysteresis,
            rate_limit_per_min=self.rate_limit_per_min,
            cooldown_s=self.cooldown_s,
            severity=self.severity,
        )

    @classmethod
    def of(cls, rules: AlertRules | None) -> Self:
        """The wire form; no rules are rules without bounds."""
        if rules is None:
            return cls()
        return cls(
            minimum=rules.minimum,
            maximum=rules.maximum,
            hysteresis=rules.hysteresis,
            rate_limit_per_min=rules.rate_limit_per_min,
            cooldown_s=rules.cooldown_s,
            severity=rules.severity,
        )
