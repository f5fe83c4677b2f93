"""The audit trail's part of the client: who did what, and is the record of it whole."""

from collections.abc import Iterator
from dataclasses import dataclass

from futago.connection import Connection, Parameters
from futago.wire import JsonObject

_AUDIT = "/api/v1/audit"


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries are asked for; `None` for all.

    Parameters
    ----------
    action
        The whole name, or its beginning and `*`.
    since, until
        From, and up to but without, as RFC 3339 writes times.
    """

    user: str | None = None
    action: str | None = None
    success: bool | None = None
    since: str | None = None
    until: str | None = None
    address: str | None = None
    request_id: str | None = None

    def parameters(self) -> Parameters:
        """As the interface takes it."""
        return {
            "user": self.user,
            "action": self.action,
            "success": None if self.success is None else str(self.success).lower(),
            "since": self.since,
            "until": self.until,
            "address": self.address,
            "request_id": self.request_id,
        }


@dataclass(frozen=True, slots=True)
class TrailState:
    """Whether the audit trail is what was written.

    Parameters
    ----------
    entries
        How many were found in order.
    first_bad_sequence, reason
        Where and how it is broken, if it is.
    cut_up_to
        The newest entry removed because of its age.
    signed_up_to
        The newest entry that a checkpoint signs.
    """

    intact: bool
    entries: int
    first_bad_sequence: int | None
    reason: str | None
    cut_up_to: int
    signed_up_to: int


class AuditCalls:
    """What `Client` asks of the audit trail."""

    _api: Connection

    def audit(self, query: AuditQuery | None = None, limit: int | None = None) -> list[JsonObject]:
        """Entries, newest first; with no limit, all of them."""
        return self._api.items(_AUDIT, limit, (query or AuditQuery()).parameters())

    def audit_lines(self, query: AuditQuery | None = None) -> Iterator[str]:
        """Entries as lines of JSON, oldest first, however many.

        Raises
        ------
        ConnectionFailed
            If the answer breaks off: what came is then not all.
        """
        return self._api.lines(f"{_AUDIT}/export", (query or AuditQuery()).parameters())

    def verify_audit(self) -> TrailState:
        """Have the whole trail read and compared, in as many parts as it takes."""
        cursor: str | None = None
        while True:
            found = self._api.get(f"{_AUDIT}/verify", {"cursor": cursor})
            cursor = found["next_cursor"]
            if cursor is None:
                return TrailState(
                    intact=found["intact"],
                    entries=found["entries"],
                    first_bad_sequence=found["first_bad_sequence"],
                    reason=found["reason"],
                    cut_up_to=found["cut_up_to"],
                    signed_up_to=found["signed_up_to"],
                )
