"""What the suite keeps for everybody: audit trail, alerts, jobs."""

from typing import Any, Self

from pydantic import BaseModel, Field

from services.gateway.domain.alerts import AlertState, StoredAlert
from services.gateway.domain.audit import Entry
from services.gateway.domain.audit_lines import entry_json
from services.gateway.domain.audit_search import Reading
from services.gateway.domain.pages import Page
from shared.clock import rfc3339
from shared.contracts.alert import Severity
from shared.contracts.job import Job
from shared.http.jobs import JobResponse


class AuditEntryResponse(BaseModel):
    """One entry of the audit trail."""

    sequence: int
    at: str
    user: str
    action: str
    resource: str
    success: bool
    address: str
    request_id: str
    facts: dict[str, Any]
    digest: str = Field(description="SHA-256 over the digest before and everything above")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Write an entry for the wire."""
        return cls.model_validate(entry_json(entry))


class AuditPage(BaseModel):
    """Some of the audit trail, newest first."""

    items: list[AuditEntryResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Entry]) -> Self:
        """Write a page for the wire."""
        return cls(items=[AuditEntryResponse.of(entry) for entry in page.items], next_cursor=page.next_cursor)


class VerificationResponse(BaseModel):
    """Whether the audit trail is what was written."""

    intact: bool | None = Field(description="`null` while there is more to read: go on with `next_cursor`")
    entries: int = Field(description="entries in order so far")
    first_bad_sequence: int | None
    reason: str | None
    cut_up_to: int = Field(description="newest entry removed because of its age; 0 if none was")
    signed_up_to: int = Field(description="newest entry that a checkpoint signs")
    next_cursor: str | None = Field(description="for the rest of a long trail; `null` at its end")

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Write an outcome for the wire."""
        found = reading.found
        return cls(
            intact=None if reading.next_cursor is not None else found.intact,
            entries=found.entries,
            first_bad_sequence=found.first_bad_sequence,
            reason=found.reason,
            cut_up_to=found.cut_up_to,
            signed_up_to=found.signed_up_to,
            next_cursor=reading.next_cursor,
        )


class AlertResponse(BaseModel):
    """An alert of any service."""

    id: str
    source: str = Field(description="the service that raised it")
    kind: str
    severity: Severity
    asset: str | None
    subject: str = Field(description="the model or detector that saw it")
    message: str
    facts: dict[str, Any]
    occurred_at: str
    state: AlertState
    occurrences: int = Field(description="how often it was raised since it is on the list")
    last_occurred_at: str
    acknowledged_by: str | None
    acknowledged_at: str | None

    @classmethod
    def of(cls, stored: StoredAlert) -> Self:
        """Write an alert for the wire."""
        alert = stored.alert
        return cls(
            id=alert.id,
            source=alert.source,
            kind=alert.kind,
            severity=alert.severity,
            asset=alert.asset,
            subject=alert.subject,
            message=alert.message,
            facts=dict(alert.facts),
            occurred_at=rfc3339(alert.occurred_at),
            state=stored.state,
            occurrences=stored.occurrences,
            last_occurred_at=rfc3339(stored.last_occurred_at),
            acknowledged_by=stored.acknowledged_by,
            acknowledged_at=None if stored.acknowledged_at is None else rfc3339(stored.acknowledged_at),
        )


class AlertPage(BaseModel):
    """Some of the alerts, newest first."""

    items: list[AlertResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[StoredAlert]) -> Self:
        """Write a page for the wire."""
        return cls(items=[AlertResponse.of(alert) for alert in page.items], next_cursor=page.next_cursor)


class JobPage(BaseModel):
    """Some of the jobs, newest first."""

    items: list[JobResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Job]) -> Self:
        """Write a page for the wire."""
        return cls(items=[JobResponse.of(job) for job in page.items], next_cursor=page.next_cursor)
