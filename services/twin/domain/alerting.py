"""What the twin asks of its alert rules: keep them, and look them up."""

from typing import Protocol

from services.twin.domain.alert_rules import AlertRules


class RuleBook(Protocol):
    """Rules at hand, without asking anybody."""

    def rules_of(self, model: str) -> AlertRules | None:
        """The alert rules of a model."""
        ...


class AlertRuleStore(Protocol):
    """Rules as they are kept."""

    async def get_rules(self, model: str) -> AlertRules | None:
        """The rules of a model; raises `ModelMissing` if there is no such model."""
        ...

    async def put_rules(self, model: str, rules: AlertRules) -> None:
        """Replace the rules of a model; raises `ModelMissing` if there is no such model."""
        ...
