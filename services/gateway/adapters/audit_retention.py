"""Removes what is older than the retention time from the beginning of the audit chain.

The place of the last removed entry is signed, so that the rest verifies from there on, and the removal is an entry
itself. What was tampered with is not removed: it is evidence.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine, delete

from services.gateway.adapters.audit_rows import lock_head, move_start, place_in, read_head, read_slice, read_start
from services.gateway.adapters.sql_exports import exported_up_to
from services.gateway.adapters.tables import audit_entries
from services.gateway.domain.audit import Entry, Head, clip_moment
from services.gateway.domain.audit_seals import Sealer, SealJudge, SealKind, event_of
from services.gateway.domain.audit_verification import ChainReader
from shared.clock import Clock, rfc3339
from shared.database import read, write
from shared.log import get_logger

log = get_logger(__name__)

# One transaction removes so many: some 50 ms in which nobody else can append.
_REMOVED_AT_ONCE = 5_000


class AuditRetention:
    """Cuts the chain at its beginning.

    Parameters
    ----------
    destinations
        Where the trail is exported to: what one of them does not have yet is not removed.
    """

    def __init__(
        self, engine: Engine, sealer: Sealer, judge: SealJudge, clock: Clock, *, destinations: Collection[str]
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._judge = judge
        self._clock = clock
        self._destinations = destinations

    def remove(self, before: datetime) -> int:
        """Remove what is older than a moment, a few thousand entries at a time, and say how many.

        Raises
        ------
        DatabaseUnavailable, AuditTrailBroken
            As `SqlAudit.append`.
        """
        removed = 0
        while last := self._last_to_go(before):
            removed += self._remove_up_to(last, before)
        return removed

    def _remove_up_to(self, last: Entry, before: datetime) -> int:
        with write(self._engine) as connection:
            head = lock_head(connection)
            start = read_start(connection)
            begins_after = 0 if start is None else start.head.sequence
            if last.sequence <= begins_after:
                # Another replica was first.
                return 0
            cut = self._sealer.seal(SealKind.CUT, Head(last.sequence, last.digest), clip_moment(self._clock.now()))
            move_start(connection, start, cut)
            connection.execute(delete(audit_entries).where(audit_entries.c.sequence <= last.sequence))
            removed = last.sequence - begins_after
            place_in(connection, head, [event_of(cut, {"removed": removed, "older_than": rfc3339(before)})])
        log.info("audit_trail_cut", up_to=last.sequence)
        return removed

    def _last_to_go(self, before: datetime) -> Entry | None:
        with read(self._engine) as connection:
            reader = ChainReader(self._judge, start=read_start(connection))
            up_to = min([read_head(connection).sequence, *exported_up_to(connection, self._destinations)])
            entries = read_slice(connection, reader.progress.head.sequence, up_to, _REMOVED_AT_ONCE)
        old = []
        for entry in entries:
            if entry.event.at >= before:
                break
            old.append(entry)
        if not old:
            return None
        if not reader.read(old):
            found = reader.so_far()
            log.error("audit_cut_refused", first_bad_sequence=found.first_bad_sequence, reason=found.reason)
            return None
        return old[-1]
