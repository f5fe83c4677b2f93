"""The audit chain in the database, for reading: searched, downloaded, verified."""

import time
from collections.abc import Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine, Select, func, literal, select

from services.gateway.adapters.audit_rows import read_ends, read_entries, read_head, read_slice, read_start
from services.gateway.adapters.moments import to_ms
from services.gateway.adapters.subtrees import users_within
from services.gateway.adapters.tables import audit_entries
from services.gateway.domain.audit import Entry, storable
from services.gateway.domain.audit_seals import SealJudge
from services.gateway.domain.audit_search import AuditFilter, Part
from services.gateway.domain.audit_verification import ChainReader, Progress
from services.gateway.domain.errors import InvalidQuery
from services.gateway.domain.pages import Page, read_number_cursor, write_cursor
from shared.database import read

# As many as are read within some 10 ms: between two slices, requests get their turn.
_VERIFIED_AT_ONCE = 500
_PAUSE_S = 0.001
_VERIFY_S = 8.0
_NO_PLACES: Mapping[int, str] = {}


class SqlAuditBook:
    """Implements `audit_search.AuditBook`.

    Parameters
    ----------
    judge
        Knows the keys that checkpoints and cuts are signed with.
    verify_s
        Longest time that one part of a verification takes [s].
    """

    def __init__(self, engine: Engine, judge: SealJudge, *, verify_s: float = _VERIFY_S) -> None:
        self._engine = engine
        self._judge = judge
        self._verify_s = verify_s
        # One at a time in this process: reading the chain is work for the processor.
        self._verifying = CapacityLimiter(1)

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        return await to_thread.run_sync(self._page, wanted, limit, read_number_cursor(cursor))

    async def following(self, wanted: AuditFilter, *, after: int, up_to: int, limit: int) -> list[Entry]:
        return await to_thread.run_sync(self._following, wanted, after, up_to, limit)

    async def newest(self) -> int:
        return await to_thread.run_sync(self._newest)

    async def verify(self, progress: Progress | None) -> Part:
        return await to_thread.run_sync(self.verify_part, progress, limiter=self._verifying)

    def verify_now(self, known: Mapping[int, str] = _NO_PLACES) -> Part:
        """Read the whole chain, however long it takes.

        Parameters
        ----------
        known
            Digests by sequence that somebody outside the database vouches for.
        """
        return self._verify(None, known, until_s=float("inf"))

    def verify_part(self, progress: Progress | None) -> Part:
        """Read the chain as it stands at one moment, for a few seconds at most.

        Raises
        ------
        InvalidQuery
            If the trail was cut behind the place where this part would begin.
        """
        return self._verify(progress, _NO_PLACES, until_s=time.monotonic() + self._verify_s)

    def _verify(self, progress: Progress | None, known: Mapping[int, str], until_s: float) -> Part:
        with read(self._engine) as connection:
            head, start, ends = read_head(connection), read_start(connection), read_ends(connection)
            if progress is not None and start is not None and progress.head.sequence < start.head.sequence:
                raise InvalidQuery("cursor", "the trail was cut meanwhile: begin again without a cursor")
            reader = ChainReader(self._judge, start=start, known=known, progress=progress)
            while entries := read_slice(connection, reader.progress.head.sequence, head.sequence, _VERIFIED_AT_ONCE):
                if not reader.read(entries):
                    break
                if time.monotonic() > until_s and entries[-1].sequence < head.sequence:
                    return Part(reader.so_far(), reader.progress)
                time.sleep(_PAUSE_S)
        return Part(reader.finish(head, ends), None)

    def _page(self, wanted: AuditFilter, limit: int, before: int | None) -> Page[Entry]:
        columns = audit_entries.c
        query = self._filtered(wanted).order_by(columns.sequence.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(columns.sequence < before)
        with read(self._engine) as connection:
            found = read_entries(connection, query)
        more = len(found) > limit
        return Page(tuple(found[:limit]), write_cursor(str(found[limit - 1].sequence)) if more else None)

    def _following(self, wanted: AuditFilter, after: int, up_to: int, limit: int) -> list[Entry]:
        columns = audit_entries.c
        query = self._filtered(wanted).order_by(columns.sequence).limit(limit)
        with read(self._engine) as connection:
            return read_entries(connection, query.where(columns.sequence > after, columns.sequence <= up_to))

    def _newest(self) -> int:
        with read(self._engine) as connection:
            return read_head(connection).sequence

    def _filtered(self, wanted: AuditFilter) -> Select[Any]:
        query = _matching(wanted)
        if (reach := wanted.reach) is None:
            return query
        # In one set with the others: as a condition of its own, SQLite would sort all that is found for every page.
        within = users_within(reach.assets, self._engine.dialect)
        names = within if reach.subject is None else within.union_all(select(literal(reach.subject)))
        return query.where(audit_entries.c.username.in_(names))


def _matching(wanted: AuditFilter) -> Select[Any]:
    columns, query = audit_entries.c, select(audit_entries)
    if wanted.user is not None:
        query = query.where(columns.username == storable(wanted.user))
    if wanted.action_prefix is not None:
        # Neither LIKE nor a range means the same on both databases; this does.
        prefix = storable(wanted.action_prefix)
        query = query.where(func.substr(columns.action, 1, len(prefix)) == prefix)
    elif wanted.action is not None:
        query = query.where(columns.action == storable(wanted.action))
    if wanted.success is not None:
        query = query.where(columns.success if wanted.success else ~columns.success)
    if wanted.since is not None:
        query = query.where(columns.at_ms >= to_ms(wanted.since))
    if wanted.until is not None:
        query = query.where(columns.at_ms < to_ms(wanted.until))
    if wanted.address is not None:
        query = query.where(columns.address == storable(wanted.address))
    if wanted.request_id is not None:
        query = query.where(columns.request_id == storable(wanted.request_id))
    return query
