"""Accesses on their way to the chain: a batch has a name, so that it is written once however often it is delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.gateway.domain.audit import SYSTEM, Action, Event, Source
from shared.clock import rfc3339
from shared.contracts.fields import PayloadInvalid
from shared.errors import JSON

# Of the members of a row, in the order of `_row`.
_KINDS = (str, str, str, str, bool, str, str, dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one process that are written together or not at all."""

    batch_id: str
    events: tuple[Event, ...]


def batch_json(batch: Batch) -> Mapping[str, JSON]:
    """A batch for the wire."""
    return {"id": batch.batch_id, "events": [_row(event) for event in batch.events]}


def batch_of(payload: Mapping[str, JSON]) -> Batch:
    """A batch as `batch_json` wrote it.

    Raises
    ------
    PayloadInvalid
        If it is something else.
    """
    match payload:
        case {"id": str(batch_id), "events": list(rows)} if 0 < len(batch_id) <= 32:
            return Batch(batch_id, tuple(map(_event, rows)))
        case _:
            raise PayloadInvalid("no batch of audit events")


def gap(lost: int, since: datetime, until: datetime) -> Event:
    """The entry that tells of accesses that could not be kept."""
    return _told(until, {"lost": lost, "since": rfc3339(since), "until": rfc3339(until)})


def unreadable(message_id: str, now: datetime) -> Event:
    """The entry that tells of a message that nobody could read."""
    return _told(now, {"unreadable": message_id})


def _told(at: datetime, facts: Mapping[str, JSON]) -> Event:
    source = Source("local", Action.GAP.value)
    return Event(at, SYSTEM, Action.GAP.value, "audit", success=False, source=source, facts=facts)


def _row(event: Event) -> Sequence[JSON]:
    return (
        event.at.isoformat(),
        event.user,
        event.action,
        event.resource,
        event.success,
        event.source.address,
        event.source.request_id,
        event.facts,
    )


def _event(row: Any) -> Event:
    # One comparison instead of a pattern: this is done for every access.
    if not isinstance(row, list) or tuple(map(type, row)) != _KINDS:
        raise PayloadInvalid("no audit event")
    at, user, action, resource, success, address, request_id, facts = row
    return Event(_moment(at), user, action, resource, success, Source(address, request_id), facts)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PayloadInvalid("no time") from None
    if moment.tzinfo is None:
        raise PayloadInvalid("a time without a time zone")
    return moment
