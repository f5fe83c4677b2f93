"""The audit chain in the database, for writing: appended to under one lock, never changed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread
from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy import event as sql_event

from services.gateway.adapters.audit_rows import append_in, lock_head, place_in
from services.gateway.adapters.moments import to_ms
from services.gateway.adapters.tables import audit_batches
from services.gateway.domain.audit import Event
from services.gateway.domain.audit_batches import Batch
from shared.database import write


@dataclass(slots=True)
class _Promise:
    """An entry that the next transaction of this task has to write."""

    event: Event
    kept: bool = False


_promise: ContextVar[_Promise | None] = ContextVar("audit_promise", default=None)


class SqlAudit:
    """Implements `sessions.AuditTrail`.

    Parameters
    ----------
    engine
        Also that of the stores whose acts are recorded with `together`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        if not sql_event.contains(engine, "commit", _keep_promise):
            sql_event.listen(engine, "commit", _keep_promise)

    async def record(self, event: Event) -> None:
        await to_thread.run_sync(self.append, (event,))

    @asynccontextmanager
    async def together(self, event: Event) -> AsyncIterator[None]:
        """Write an event in the transaction that the block commits: the act and its entry both happen, or neither.

        A block that fails leaves no entry; where it changed nothing in this database, the entry is written behind it.

        Raises
        ------
        DatabaseUnavailable, AuditTrailBroken
            As `append`; what the block wrote is then rolled back.
        """
        promise = _Promise(event)
        before = _promise.set(promise)
        try:
            yield
        finally:
            _promise.reset(before)
        if not promise.kept:
            await self.record(event)

    def append(self, events: Sequence[Event]) -> None:
        """Give events their places in the chain, all or none.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        AuditTrailBroken
            If there is an entry already where the next one belongs.
        """
        with write(self._engine) as connection:
            append_in(connection, events)

    def append_batches(self, batches: Sequence[Batch], now: datetime) -> None:
        """Write batches in their order; one that stands in the chain already, whoever wrote it, is left out.

        Raises as `append`.
        """
        with write(self._engine) as connection:
            head = lock_head(connection)
            ids = [batch.batch_id for batch in batches]
            known = select(audit_batches.c.batch_id).where(audit_batches.c.batch_id.in_(ids))
            written = set(connection.execute(known).scalars())
            fresh = {batch.batch_id: batch for batch in batches if batch.batch_id not in written}
            if fresh:
                place_in(connection, head, [event for batch in fresh.values() for event in batch.events])
                rows = [{"batch_id": batch_id, "written_at_ms": to_ms(now)} for batch_id in fresh]
                connection.execute(insert(audit_batches), rows)

    def forget_batches(self, before: datetime) -> int:
        """Forget which batches were written before a moment: nobody will deliver them again."""
        with write(self._engine) as connection:
            old = delete(audit_batches).where(audit_batches.c.written_at_ms < to_ms(before))
            return connection.execute(old).rowcount


def _keep_promise(connection: Connection) -> None:
    """Runs before a transaction is committed, in its thread and with the context of its task."""
    promise = _promise.get()
    options = connection.get_execution_options()
    if promise is None or promise.kept or options.get("sqlite_readonly") or options.get("postgresql_readonly"):
        return
    append_in(connection, [promise.event])
    promise.kept = True
