"""Reading the audit trail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.gateway.domain.audit import Entry, Verification
from services.gateway.domain.pages import Page


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are asked for; `None` for all.

    Parameters
    ----------
    since, until
        From, and up to but without.
    """

    user: str | None = None
    action: str | None = None
    success: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditBook(Protocol):
    """The chain, for reading."""

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """Entries, newest first."""
        ...

    async def verify(self) -> Verification:
        """Read the whole chain."""
        ...


class AuditSearch:
    """What those who may read the trail do with it."""

    def __init__(self, book: AuditBook) -> None:
        self._book = book

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """List entries, newest first."""
        return await self._book.page(wanted, limit=limit, cursor=cursor)

    async def verify(self) -> Verification:
        """Read the whole chain and say whether it is intact."""
        return await self._book.verify()
