"""A row of the table of alerts as the domain knows it."""

from typing import Any

from sqlalchemy import Row

from services.gateway.adapters.moments import from_ms, optional_from_ms
from services.gateway.domain.alerts import AlertState, StoredAlert
from shared.contracts.alert import Alert, Severity


def stored_alert(row: Row[Any]) -> StoredAlert:
    """The alert that a whole row holds."""
    return StoredAlert(
        alert=Alert(
            id=row.alert_id,
            source=row.source,
            kind=row.kind,
            severity=Severity(row.severity),
            asset=row.asset,
            subject=row.subject,
            message=row.message,
            occurred_at=from_ms(row.occurred_at_ms),
            dedup_key=row.dedup_key,
            facts=row.facts,
        ),
        state=AlertState(row.state),
        occurrences=row.occurrences,
        last_occurred_at=from_ms(row.last_occurred_at_ms),
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=optional_from_ms(row.acknowledged_at_ms),
    )
