"""Who may end whose sessions, and how soon after a login."""

from datetime import datetime, timedelta

import pytest

from services.gateway.domain.credentials import Verified
from services.gateway.domain.errors import BeyondOwnRights, FreshLoginRequired, NotAllowed
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.pages import Page
from services.gateway.domain.refresh import Family
from services.gateway.domain.session_desk import SessionDesk
from shared.principal import Principal, Role
from tests.unit.gateway.fakes import (
    NOW,
    SOURCE,
    FakeAudit,
    FakeClock,
    FakeFamilies,
    FakeRedis,
    FakeUsers,
    principal,
    user,
)

FRESH = timedelta(minutes=15)
OWN, OTHER = "a" * 32, "b" * 32


class Families(FakeFamilies):
    def __init__(self) -> None:
        super().__init__()
        for family_id in (OWN, OTHER):
            self.families[family_id] = Family(family_id, "olga", NOW, NOW + timedelta(days=30), None)

    async def page(self, username: str, now: datetime, *, limit: int, cursor: str | None) -> Page[Family]:
        return Page(tuple(self.families.values()), None)

    async def revoke_one(self, username: str, family_id: str, now: datetime) -> None:
        await self.revoke(family_id, now)

    async def revoke_all(self, username: str, now: datetime) -> int:
        for family_id in self.families:
            await self.revoke(family_id, now)
        self.newest_generation += 1
        return self.newest_generation

    def alive(self) -> set[str]:
        return {family_id for family_id, family in self.families.items() if family.revoked_at is None}


class World:
    def __init__(self) -> None:
        self.families, self.clock, self.audit, self.redis = Families(), FakeClock(), FakeAudit(), FakeRedis()
        self.users = FakeUsers([user("root", Role.ADMIN), user()])
        self.desk = SessionDesk(
            sessions=self.families,
            users=self.users,
            floors=self.redis,
            audit=self.audit,
            clock=self.clock,
            fresh=FreshLogin(self.families, self.clock, FRESH),
        )

    async def end(self, caller: Verified) -> None:
        await self.desk.end(caller, "olga", OTHER, SOURCE)

    async def end_all(self, caller: Verified) -> None:
        await self.desk.end_all(caller, "olga", SOURCE)


@pytest.fixture
def world() -> World:
    return World()


def caller(who: Principal | None = None, session_id: str | None = OWN) -> Verified:
    return Verified(principal() if who is None else who, NOW + timedelta(days=1), (), session_id=session_id)


@pytest.mark.parametrize(("minutes", "refused"), [(0, False), (15, False), (16, True), (60 * 24, True)])
async def test_users_end_their_sessions_soon_after_a_login_only(world: World, minutes: int, *, refused: bool):
    world.clock.advance(minutes=minutes)
    if refused:
        for end in (world.end, world.end_all):
            with pytest.raises(FreshLoginRequired):
                await end(caller())
        assert world.families.alive() == {OWN, OTHER}
        assert (world.audit.events, world.redis.floors) == ([], {})
    else:
        await world.end(caller())
        assert world.families.alive() == {OWN}
        await world.end_all(caller())
        assert world.families.alive() == set()


async def test_the_end_of_any_number_of_sessions_is_announced_as_one(world: World):
    for number in range(100):
        family_id = f"{number:032}"
        world.families.families[family_id] = Family(family_id, "olga", NOW, NOW + timedelta(days=30), None)
    await world.end_all(caller())
    assert world.families.alive() == set()
    assert world.redis.floors == {"user:olga": 2}


async def test_a_refresh_is_no_login(world: World):
    world.clock.advance(hours=1)
    family = world.families.families[OWN]
    world.families.families[OWN] = Family(OWN, "olga", NOW, family.ends_at, None, refreshed_at=world.clock.now())
    with pytest.raises(FreshLoginRequired):
        await world.end(caller())


async def test_administrators_end_the_sessions_of_others_in_any_session_and_by_a_key(world: World):
    world.clock.advance(days=1)
    await world.end(caller(principal("root", Role.ADMIN)))
    await world.end_all(caller(principal("root", Role.ADMIN, method="api_key"), session_id=None))
    assert world.families.alive() == set()


async def test_an_administrator_of_a_site_does_not_log_out_people_of_another(world: World):
    site = caller(principal("root", Role.ADMIN, assets=("acme.osaka",)))
    for assets in ((), ("acme.tokyo",), ("acme",)):
        world.users.rows["olga"] = user(assets=assets)
        for end in (world.end, world.end_all):
            with pytest.raises(BeyondOwnRights):
                await end(site)
    assert world.families.alive() == {OWN, OTHER}
    world.users.rows["olga"] = user(assets=("acme.osaka.reactor",))
    await world.end_all(site)
    assert world.families.alive() == set()


async def test_a_key_that_is_limited_to_a_site_does_not_reach_sessions_of_its_owner_who_is_not(world: World):
    narrow = caller(principal("root", Role.ADMIN, assets=("acme.osaka",), method="api_key"), session_id=None)
    for attempt in (
        world.desk.page(narrow.principal, "root", limit=9, cursor=None),
        world.desk.end(narrow, "root", OTHER, SOURCE),
        world.desk.end_all(narrow, "root", SOURCE),
    ):
        with pytest.raises(BeyondOwnRights):
            await attempt
    assert world.families.alive() == {OWN, OTHER}


async def test_nobody_else_ends_them(world: World):
    for other in (principal("otto"), principal(method="api_key")):
        with pytest.raises(NotAllowed):
            await world.end(caller(other, session_id=None))
    assert world.families.alive() == {OWN, OTHER}
