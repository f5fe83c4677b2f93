"""Whose entries of the trail a caller reads."""

import pytest

from services.gateway.domain.audit import Entry
from services.gateway.domain.audit_search import AuditFilter, AuditSearch, Reach
from services.gateway.domain.pages import Page
from shared.principal import EXTERNAL, Principal, Role
from tests.unit.gateway.fakes import principal

SITE = ("acme.osaka",)


class Book:
    """A trail without entries, which keeps what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[AuditFilter] = []

    async def page(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        self.asked.append(wanted)
        return Page((), None)

    async def following(self, wanted: AuditFilter, *, after: int, up_to: int, limit: int) -> list[Entry]:
        self.asked.append(wanted)
        return []

    async def newest(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("caller", "reach"),
    [
        (principal("boss", Role.ADMIN), None),
        (principal("ann", Role.ADMIN, assets=SITE), Reach("ann", SITE)),
        # A key of somebody who is not limited, limited itself: what its owner did elsewhere is not for it to read.
        (principal("boss", Role.ADMIN, assets=SITE, method="api_key"), Reach(None, SITE)),
        (principal("sso:u1", Role.ADMIN, assets=SITE, method=EXTERNAL), Reach("sso:u1", SITE)),
    ],
)
async def test_who_is_limited_to_assets_reads_what_lies_within_and_nothing_else(caller: Principal, reach: Reach | None):
    book, wanted = Book(), AuditFilter(action="auth.*")
    search = AuditSearch(book)
    await search.page(caller, wanted, limit=9, cursor=None)
    assert [entry async for entry in search.everything(caller, wanted)] == []
    assert [asked.reach for asked in book.asked] == [reach, reach]
    assert {asked.action for asked in book.asked} == {"auth.*"}
