"""An entry of the audit trail as a line of JSON, as exports and downloads carry it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from services.gateway.domain.audit import Entry, Event, Source
from shared.clock import rfc3339
from shared.contracts.fields import PayloadInvalid, parse
from shared.errors import JSON


def entry_json(entry: Entry) -> Mapping[str, JSON]:
    """An entry with the names that it has in the interface."""
    event = entry.event
    return {
        "sequence": entry.sequence,
        "at": rfc3339(event.at),
        "user": event.user,
        "action": event.action,
        "resource": event.resource,
        "success": event.success,
        "address": event.source.address,
        "request_id": event.source.request_id,
        "facts": dict(event.facts),
        "digest": entry.digest,
    }


def line_of(entry: Entry) -> str:
    """One line of ASCII, without its end."""
    return json.dumps(entry_json(entry), separators=(",", ":"), allow_nan=False)


def entry_of_line(line: str | bytes) -> Entry:
    """An entry as `line_of` wrote it.

    Raises
    ------
    PayloadInvalid
        If it is something else.
    """
    match parse(line):
        case {
            "sequence": int(sequence),
            "at": str(at),
            "user": str(user),
            "action": str(action),
            "resource": str(resource),
            "success": bool(success),
            "address": str(address),
            "request_id": str(request_id),
            "facts": dict(facts),
            "digest": str(digest),
        }:
            source = Source(address, request_id)
            return Entry(sequence, Event(_moment(at), user, action, resource, success, source, facts), digest)
        case _:
            raise PayloadInvalid("no entry of an audit trail")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PayloadInvalid(f"{text!r} is no time") from None
