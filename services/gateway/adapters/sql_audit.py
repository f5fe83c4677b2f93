"""The audit chain in the database: appended to under one lock, never changed."""

from collections.abc import Sequence
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from services.gateway.adapters.moments import from_ms, to_ms
from services.gateway.adapters.tables import audit_entries, audit_head
from services.gateway.domain.audit import ChainReader, Entry, Event, Head, Source, Verification, append, storable
from services.gateway.domain.audit_search import AuditFilter
from services.gateway.domain.pages import Page, read_number_cursor, write_cursor
from shared.database import read, write

_CHAIN = 1
# Any number, as long as nobody else takes it: the advisory lock of the chain on PostgreSQL ("audit" in ASCII).
_LOCK = 0x6175646974
_VERIFIED_AT_ONCE = 2000


class SqlAudit:
    """Implements `sessions.AuditTrail` and the reading of the trail."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def record(self, event: Event) -> None:
        await to_thread.run_sync(self.append, (event,))

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        return await to_thread.run_sync(self._page, wanted, limit, read_number_cursor(cursor))

    async def verify(self) -> Verification:
        return await to_thread.run_sync(self.verify_now)

    def append(self, events: Sequence[Event]) -> None:
        """Give events their places in the chain, all or none.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        """
        with write(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            head = _head(connection)
            entries = append(head, events)
            connection.execute(insert(audit_entries), [_row(entry) for entry in entries])
            _move_head(connection, head, entries[-1])

    def verify_now(self) -> Verification:
        """Read the whole chain as it stands at one moment."""
        reader = ChainReader()
        with read(self._engine) as connection:
            # On PostgreSQL each statement sees newer commits: read up to the head that was seen first.
            head, ends = _head_and_ends(connection)
            after = 0
            while entries := _slice(connection, after, head.sequence):
                if not reader.read(entries):
                    break
                after = entries[-1].sequence
        return reader.finish(head, ends)

    def _page(self, wanted: AuditFilter, limit: int, before: int | None) -> Page[Entry]:
        columns = audit_entries.c
        query = select(audit_entries).order_by(columns.sequence.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(columns.sequence < before)
        if wanted.user is not None:
            query = query.where(columns.username == storable(wanted.user))
        if wanted.action is not None:
            query = query.where(columns.action == storable(wanted.action))
        if wanted.success is not None:
            query = query.where(columns.success.is_(wanted.success))
        if wanted.since is not None:
            query = query.where(columns.at_ms >= to_ms(wanted.since))
        if wanted.until is not None:
            query = query.where(columns.at_ms < to_ms(wanted.until))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        more = len(rows) > limit
        return Page(tuple(map(_entry, rows[:limit])), write_cursor(str(rows[limit - 1].sequence)) if more else None)


def _head(connection: Connection) -> Head:
    row = connection.execute(select(audit_head).where(audit_head.c.chain == _CHAIN)).one_or_none()
    return Head() if row is None else Head(row.sequence, row.digest)


def _head_and_ends(connection: Connection) -> tuple[Head, tuple[int, int] | None]:
    # One statement, so that both are of one moment on PostgreSQL too.
    lowest = select(func.min(audit_entries.c.sequence)).scalar_subquery()
    highest = select(func.max(audit_entries.c.sequence)).scalar_subquery()
    sequence = select(audit_head.c.sequence).where(audit_head.c.chain == _CHAIN).scalar_subquery()
    digest = select(audit_head.c.digest).where(audit_head.c.chain == _CHAIN).scalar_subquery()
    row = connection.execute(
        select(lowest.label("lowest"), highest.label("highest"), sequence.label("sequence"), digest.label("digest"))
    ).one()
    head = Head() if row.sequence is None else Head(row.sequence, row.digest)
    return head, None if row.lowest is None else (row.lowest, row.highest)


def _move_head(connection: Connection, before: Head, newest: Entry) -> None:
    values = {"sequence": newest.sequence, "digest": newest.digest}
    if before.sequence == 0:
        connection.execute(insert(audit_head).values(values | {"chain": _CHAIN}))
    else:
        connection.execute(update(audit_head).where(audit_head.c.chain == _CHAIN).values(values))


def _slice(connection: Connection, after: int, last: int) -> list[Entry]:
    query = (
        select(audit_entries)
        .where(audit_entries.c.sequence > after, audit_entries.c.sequence <= last)
        .order_by(audit_entries.c.sequence)
        .limit(_VERIFIED_AT_ONCE)
    )
    return [_entry(row) for row in connection.execute(query)]


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


def _entry(row: Row[Any]) -> Entry:
    source = Source(row.address, row.request_id)
    event = Event(
        from_ms(row.at_ms), row.username, row.action, row.resource, row.success, source=source, facts=row.facts
    )
    return Entry(row.sequence, event, row.digest)
