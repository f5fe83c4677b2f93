"""Alert rules in the database."""

from sqlalchemy import Engine, delete, insert, select, update

from services.twin.adapters.tables import alert_rules, generation
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
        return {row.model: AlertRules(row.minimum, row.maximum, row.cooldown_s, Severity(row.severity)) for row in rows}

    def put(self, model: str, rules: AlertRules) -> None:
        """Replace the rules of a model."""
        row = {
            "model": model,
            "minimum": rules.minimum,
            "maximum": rules.maximum,
            "cooldown_s": rules.cooldown_s,
            "severity": rules.severity.value,
        }
        with write(self._engine) as connection:
            connection.execute(update(generation).values(value=generation.c.value + 1))
            connection.execute(delete(alert_rules).where(alert_rules.c.model == model))
            connection.execute(insert(alert_rules).values(row))
