"""An alert on its way from the service that saw something to the one list the suite keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.clock import rfc3339
from shared.contracts import fields
from shared.errors import JSON


class Severity(StrEnum):
    """How soon somebody must act."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know.

    Parameters
    ----------
    id
        Unique; a message delivered twice carries the same one.
    source
        The service that raised it, such as `twin`.
    kind
        What happened, stable and machine-readable, such as `prediction_out_of_range`.
    asset
        Dotted path of the equipment, `None` where no equipment is concerned.
    subject
        Name of the model or detector that saw it.
    message
        One sentence for an operator.
    facts
        The figures behind the sentence.
    occurred_at
        Aware; when it happened, not when it was sent.
    dedup_key
        Alerts with the same key are one condition that persists.
    """

    id: str
    source: str
    kind: str
    severity: Severity
    asset: str | None
    subject: str
    message: str
    occurred_at: datetime
    dedup_key: str
    facts: Mapping[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """The wire form."""
        return {
            "id": self.id,
            "source": self.source,
            "kind": self.kind,
            "severity": self.severity.value,
            "asset": self.asset,
            "subject": self.subject,
            "message": self.message,
            "facts": dict(self.facts),
            "occurred_at": rfc3339(self.occurred_at),
            "dedup_key": self.dedup_key,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Self:
        """Read the wire form.

        Raises
        ------
        PayloadInvalid
            If a field is missing or of the wrong type.
        """
        return cls(
            id=fields.text(document, "id"),
            source=fields.text(document, "source"),
            kind=fields.text(document, "kind"),
            severity=fields.member(document, "severity", Severity),
            asset=fields.optional_text(document, "asset"),
            subject=fields.text(document, "subject"),
            message=fields.text(document, "message"),
            facts=fields.mapping(document, "facts"),
            occurred_at=fields.moment(document, "occurred_at"),
            dedup_key=fields.text(document, "dedup_key"),
        )
