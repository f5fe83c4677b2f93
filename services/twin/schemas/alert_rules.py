"""Alert rules as JSON."""

from typing import Self

from pydantic import BaseModel, ConfigDict, StrictFloat

from services.twin.domain.alert_rules import DEFAULT_COOLDOWN_S, AlertRules
from shared.contracts.alert import Severity


class AlertRulesBody(BaseModel):
    """The range that predictions should stay in; without bounds nothing alerts."""

    model_config = ConfigDict(extra="forbid")

    # Strict, because `true` is no temperature.
    minimum: StrictFloat | None = None
    maximum: StrictFloat | None = None
    cooldown_s: StrictFloat = DEFAULT_COOLDOWN_S
    severity: Severity = Severity.WARNING

    def to_rules(self) -> AlertRules:
        """The domain's form; raises `AlertRulesInvalid` if the rules contradict themselves."""
        return AlertRules(self.minimum, self.maximum, self.cooldown_s, self.severity)

    @classmethod
    def of(cls, rules: AlertRules | None) -> Self:
        """The wire form; no rules are rules without bounds."""
        if rules is None:
            return cls()
        return cls(minimum=rules.minimum, maximum=rules.maximum, cooldown_s=rules.cooldown_s, severity=rules.severity)
