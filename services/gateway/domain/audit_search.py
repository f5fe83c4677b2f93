"""Reading the audit trail."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from services.gateway.domain.audit import Entry, Head
from services.gateway.domain.audit_verification import Progress, Verification
from services.gateway.domain.delegation import is_oneself
from services.gateway.domain.errors import InvalidQuery
from services.gateway.domain.pages import Page, read_cursor, write_cursor
from shared.principal import Principal

_ANY = "*"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody reads who is limited to assets: what they did themselves, and what users did whom they administer.

    Parameters
    ----------
    subject
        Who reads; somebody whom an identity provider vouches for is no user here. `None` for a key, whose owner may not
        be limited.
    assets
        Subtrees that they are limited to; not empty. `delegation.reaches` says which users lie within.
    """

    subject: str | None
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are asked for; `None` for all.

    Parameters
    ----------
    action
        The whole name; one that ends in `*` stands for all that begin so.
    since, until
        From, and up to but without.
    reach
        Only what lies within it.
    """

    user: str | None = None
    action: str | None = None
    success: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    address: str | None = None
    request_id: str | None = None
    reach: Reach | None = None

    @property
    def action_prefix(self) -> str | None:
        """What the action has to begin with, if it is not given whole."""
        return self.action[:-1] if self.action is not None and self.action.endswith(_ANY) else None


@dataclass(frozen=True, slots=True)
class Part:
    """What reading some of the chain found.

    Parameters
    ----------
    progress
        Where to read on; `None` at the end, or where the chain is broken.
    """

    found: Verification
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found so far, and where the rest begins."""

    found: Verification
    next_cursor: str | None


class AuditBook(Protocol):
    """The chain, for reading."""

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """Entries, newest first."""
        ...

    async def following(self, wanted: AuditFilter, *, after: int, up_to: int, limit: int) -> list[Entry]:
        """Entries behind a sequence, oldest first."""
        ...

    async def newest(self) -> int:
        """Sequence of the newest entry; 0 where there is none."""
        ...

    async def verify(self, progress: Progress | None) -> Part:
        """Read the chain from its beginning, or from where it was read to, for a few seconds at most."""
        ...


class AuditSearch:
    """What those who may read the trail do with it."""

    def __init__(self, book: AuditBook) -> None:
        self._book = book

    async def page(self, caller: Principal, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """List entries, newest first; what is added meanwhile does not move the pages that follow."""
        return await self._book.page(_readable(caller, wanted), limit=limit, cursor=cursor)

    async def everything(self, caller: Principal, wanted: AuditFilter) -> AsyncIterator[Entry]:
        """All entries there are now, oldest first, however many."""
        wanted = _readable(caller, wanted)
        after, up_to = 0, await self._book.newest()
        while entries := await self._book.following(wanted, after=after, up_to=up_to, limit=_AT_ONCE):
            for entry in entries:
                yield entry
            after = entries[-1].sequence

    async def verify(self, cursor: str | None) -> Reading:
        """Read the chain and say whether it is intact; a long one in parts.

        Raises
        ------
        InvalidQuery
            If the cursor is none that an earlier part gave out.
        """
        part = await self._book.verify(None if cursor is None else _read_progress(cursor))
        return Reading(part.found, None if part.progress is None else _write_progress(part.progress))


def _readable(caller: Principal, wanted: AuditFilter) -> AuditFilter:
    if not caller.assets:
        return wanted
    subject = caller.subject if is_oneself(caller, caller.subject) else None
    return replace(wanted, reach=Reach(subject, caller.assets))


def _write_progress(progress: Progress) -> str:
    head, cut = progress.head, progress.last_cut
    numbers = (head.sequence, progress.entries, progress.signed_up_to, cut.sequence)
    return write_cursor(":".join((*map(str, numbers), head.digest, cut.digest, progress.unknown_key)))


def _read_progress(cursor: str) -> Progress:
    fields = (read_cursor(cursor) or "").split(":")
    if len(fields) != 7 or not all(field.isascii() and field.isdigit() and len(field) < 19 for field in fields[:4]):
        raise InvalidQuery("cursor", "take the cursor from next_cursor of the part before")
    sequence, entries, signed_up_to, cut = map(int, fields[:4])
    progress = Progress(Head(sequence, fields[4]), entries, signed_up_to, Head(cut, fields[5]))
    return replace(progress, unknown_key=fields[6])
