"""The tables of the audit chain: entries, where it begins, where it ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.gateway.adapters.moments import from_ms, to_ms
from services.gateway.adapters.stored_values import any_text
from services.gateway.adapters.tables import audit_entries, audit_head, audit_start
from services.gateway.domain.audit import UNREADABLE, Entry, Event, Head, Source, append
from services.gateway.domain.audit_seals import Seal, SealKind
from services.gateway.domain.errors import AuditTrailBroken

_CHAIN = 1
# Of a head that cannot be read: no digest is empty.
_NO_DIGEST = ""
# Any number, as long as nobody else takes it: the advisory lock of the chain on PostgreSQL ("audit" in ASCII).
_LOCK = 0x6175646974


def append_in(connection: Connection, events: Sequence[Event]) -> Head:
    """Give events their places in the chain, as part of a transaction that writes: all of it holds, or nothing.

    Whoever calls does everything else before: from here to the end of the transaction nobody else can append.

    Raises
    ------
    AuditTrailBroken
        If there is an entry already where the next one belongs: somebody wrote into the table.
    """
    return place_in(connection, lock_head(connection), events)


def lock_head(connection: Connection) -> Head:
    """The end of the chain, which stays it until this transaction ends.

    Raises
    ------
    AuditTrailBroken
        If somebody wrote what no head can be.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    head = read_head(connection)
    if head.digest == _NO_DIGEST:
        raise AuditTrailBroken
    return head


def place_in(connection: Connection, head: Head, events: Sequence[Event]) -> Head:
    """As `append_in`, behind a head that is locked; gives the new one."""
    entries = append(head, events)
    if not entries:
        return head
    try:
        connection.execute(insert(audit_entries), [_row(entry) for entry in entries])
    except IntegrityError as error:
        raise AuditTrailBroken from error
    newest = entries[-1]
    values = {"sequence": newest.sequence, "digest": newest.digest}
    if head.sequence == 0:
        connection.execute(insert(audit_head).values(values | {"chain": _CHAIN}))
    else:
        connection.execute(update(audit_head).where(audit_head.c.chain == _CHAIN).values(values))
    return Head(newest.sequence, newest.digest)


def read_head(connection: Connection) -> Head:
    """The newest entry's place, as it is kept apart; without a digest where somebody wrote what no head can be."""
    with any_text(connection):
        row = connection.execute(select(audit_head).where(audit_head.c.chain == _CHAIN)).one_or_none()
    if row is None:
        return Head()
    if isinstance(row.sequence, int) and isinstance(row.digest, str):
        return Head(row.sequence, row.digest)
    ends = read_ends(connection)
    return Head(0 if ends is None else ends[1], _NO_DIGEST)


def read_start(connection: Connection) -> Seal | None:
    """Where the chain begins; `None` if it was never cut, unsigned where somebody wrote what no cut can be."""
    with any_text(connection):
        row = connection.execute(select(audit_start).where(audit_start.c.chain == _CHAIN)).one_or_none()
    if row is None:
        return None
    at, texts = _moment(row.at_ms), (row.digest, row.key_id, row.signature)
    if at is None or not isinstance(row.sequence, int) or not all(isinstance(text, str) for text in texts):
        return Seal(SealKind.CUT, Head(), UNREADABLE.at, "", "")
    return Seal(SealKind.CUT, Head(row.sequence, row.digest), at, row.key_id, row.signature)


def move_start(connection: Connection, before: Seal | None, cut: Seal) -> None:
    """Let the chain begin behind a cut."""
    values = {
        "sequence": cut.head.sequence,
        "digest": cut.head.digest,
        "at_ms": to_ms(cut.at),
        "key_id": cut.key_id,
        "signature": cut.signature,
    }
    if before is None:
        connection.execute(insert(audit_start).values(values | {"chain": _CHAIN}))
    else:
        connection.execute(update(audit_start).where(audit_start.c.chain == _CHAIN).values(values))


def read_ends(connection: Connection) -> tuple[int, int] | None:
    """The lowest and the highest sequence there are."""
    # As two look-ups, each is answered from the index: SQLite reads the whole table for both at once.
    lowest = select(func.min(audit_entries.c.sequence)).scalar_subquery()
    highest = select(func.max(audit_entries.c.sequence)).scalar_subquery()
    row = connection.execute(select(lowest.label("lowest"), highest.label("highest"))).one()
    return None if row.lowest is None else (row.lowest, row.highest)


def read_slice(connection: Connection, after: int, up_to: int, limit: int) -> list[Entry]:
    """Entries in order, from behind a sequence."""
    query = (
        select(audit_entries)
        .where(audit_entries.c.sequence > after, audit_entries.c.sequence <= up_to)
        .order_by(audit_entries.c.sequence)
        .limit(limit)
    )
    return read_entries(connection, query)


def read_entries(connection: Connection, query: Select[Any]) -> list[Entry]:
    """The entries that a query over the whole table finds.

    `UNREADABLE` stands in the place of one where somebody wrote what no entry of ours can hold.
    """
    with any_text(connection):
        rows = connection.execute(query).all()
    return list(map(_entry, rows))


def _entry(row: Row[Any]) -> Entry:
    texts = (row.username, row.action, row.resource, row.address, row.request_id, row.digest)
    at = _moment(row.at_ms)
    readable = isinstance(row.facts, dict) and isinstance(row.success, bool)
    if at is None or not readable or not all(isinstance(text, str) for text in texts):
        return Entry(row.sequence, UNREADABLE, str(row.digest))
    source = Source(row.address, row.request_id)
    event = Event(at, row.username, row.action, row.resource, row.success, source=source, facts=row.facts)
    return Entry(row.sequence, event, row.digest)


def _moment(stored_ms: Any) -> datetime | None:
    try:
        return from_ms(stored_ms)
    except (TypeError, ValueError, OverflowError):
        return None


def _row(entry: Entry) -> dict[str, Any]:
    event = entry.event
    return {
        "sequence": entry.sequence,
        "at_ms": to_ms(event.at),
        "username": event.user,
        "action": event.action,
        "resource": event.resource,
        "success": event.success,
        "address": event.source.address,
        "request_id": event.source.request_id,
        "facts": dict(event.facts),
        "digest": entry.digest,
    }
