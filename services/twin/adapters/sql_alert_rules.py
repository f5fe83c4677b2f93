"""Alert rules in the database."""

from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select

from services.twin.adapters.generation import begin_change
from services.twin.adapters.tables import alert_rules
from services.twin.domain.alert_rules import AlertRules
from shared.contracts.alert import Severity
from shared.database import read, write


class SqlAlertRules:
    """The table of alert rules; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> dict[str, AlertRules]:
        """The rules of every model that has any."""
        with read(self._engine) as connection:
            rows = connection.execute(select(alert_rules)).all()
        return {row.model: _rules(row) for row in rows}

    def put(self, model: str, rules: AlertRules) -> None:
        """Replace the rules of a model."""
        row = {
            "model": model,
            "minimum": rules.minimum,
            "maximum": rules.maximum,
            "hysteresis": rules.hysteresis,
            "rate_limit_per_min": rules.rate_limit_per_min,
            "cooldown_s": rules.cooldown_s,
            "severity": rules.severity.value,
        }
        with write(self._engine) as connection:
            begin_change(connection)
            connection.execute(delete(alert_rules).where(alert_rules.c.model == model))
            connection.execute(insert(alert_rules).values(row))


def _rules(row: Row[Any]) -> AlertRules:
    return AlertRules(
        minimum=row.minimum,
        maximum=row.maximum,
        hysteresis=row.hysteresis,
        rate_limit_per_min=row.rate_limit_per_min,
        cooldown_s=row.cooldown_s,
        severity=Severity(row.severity),
    )
