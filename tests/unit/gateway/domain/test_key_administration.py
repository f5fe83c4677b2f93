"""Making, changing, rotating and deleting API keys."""

from datetime import timedelta

import pytest

from services.gateway.domain import api_keys
from services.gateway.domain.addresses import parse_network
from services.gateway.domain.api_keys import ApiKey, MintedKey
from services.gateway.domain.audit import Source
from services.gateway.domain.credentials import Verified, user_stamp
from services.gateway.domain.errors import BeyondOwnRights, FreshLoginRequired, NotAllowed, RedisAway, UserMissing
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.key_errors import (
    ApiKeyInvalid,
    ApiKeyMissing,
    AssetsOutOfReach,
    ExternalCaller,
    InvalidExpiry,
    LimitTooHigh,
    ScopesTooWide,
    TooManyKeys,
)
from services.gateway.domain.key_requests import KeyChange, KeyFilter, KeyRequest
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.refresh import Family
from shared.principal import Permission, Principal, Role
from tests.unit.gateway.fakes import (
    NOW,
    SOURCE,
    Entropy,
    FakeAudit,
    FakeClock,
    FakeFamilies,
    FakeKeys,
    FakeRedis,
    FakeUsers,
    principal,
    user,
)

OLGA = principal()
ADMIN = principal("root", Role.ADMIN)
READ = frozenset({Permission.READ})


def verified(caller: Principal, session_id: str | None = None) -> Verified:
    return Verified(caller, NOW, (user_stamp(caller.subject, 1),), session_id=session_id)


class World:
    def __init__(self) -> None:
        self.keys, self.families, self.clock = FakeKeys(), FakeFamilies(), FakeClock()
        self.users = FakeUsers([user("root", Role.ADMIN), user(), user("vera", Role.VIEWER)])
        self.redis = FakeRedis()
        self.audit = FakeAudit()
        self.administration = KeyAdministration(
            keys=self.keys,
            users=self.users,
            floors=self.redis,
            audit=self.audit,
            clock=self.clock,
            entropy=Entropy(),
            fresh=FreshLogin(self.families, self.clock, timedelta(hours=12)),
            ceiling=Limit("key", per_hour=3600, burst=100),
        )

    async def create(
        self, caller: Principal, asked: KeyRequest, source: Source, session_id: str | None = None
    ) -> tuple[ApiKey, MintedKey]:
        return await self.administration.create(verified(caller, session_id), asked, source)

    async def rotate(
        self, caller: Principal, key_id: str, overlap: timedelta, source: Source, session_id: str | None = None
    ) -> tuple[ApiKey, MintedKey]:
        return await self.administration.rotate(verified(caller, session_id), key_id, overlap, source)

    async def get(self, caller: Principal, key_id: str) -> ApiKey:
        return await self.administration.get(verified(caller), key_id)

    async def change(self, caller: Principal, key_id: str, change: KeyChange, source: Source) -> ApiKey:
        return await self.administration.change(verified(caller), key_id, change, source)

    async def delete(self, caller: Principal, key_id: str, source: Source) -> None:
        await self.administration.delete(verified(caller), key_id, source)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_key_is_made_for_reading_and_predicting_for_a_year(world: World):
    key, minted = await world.create(OLGA, KeyRequest("line 4"), SOURCE)
    assert key.scopes == {Permission.READ, Permission.PREDICT, Permission.SCORE}
    assert (key.owner, key.expires_at) == ("olga", NOW + timedelta(days=365))
    assert api_keys.verify(minted.text, world.keys.rows[key.key_id], user(), NOW).subject == "olga"
    assert minted.text not in repr(world.audit.events)


async def test_a_viewers_key_reads_and_no_more(world: World):
    key, _ = await world.create(principal("vera", Role.VIEWER), KeyRequest("x"), SOURCE)
    assert key.scopes == READ


async def test_a_key_made_for_ninety_days_ends_then(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x", expires_in_days=90), SOURCE)
    assert key.expires_at == NOW + timedelta(days=90)


@pytest.mark.parametrize(
    ("caller", "asked", "error"),
    [
        (OLGA, KeyRequest("x", scopes=frozenset({Permission.TRAIN})), ScopesTooWide),
        (ADMIN, KeyRequest("x", owner="olga", scopes=frozenset({Permission.TRAIN})), ScopesTooWide),
        (OLGA, KeyRequest("x", owner="vera"), NotAllowed),
        (ADMIN, KeyRequest("x", owner="nobody"), UserMissing),
        (OLGA, KeyRequest("x", expires_at=NOW), InvalidExpiry),
        (principal(method="api_key"), KeyRequest("x"), NotAllowed),
        (
            principal("root", Role.ADMIN, method="api_key", permissions=frozenset({Permission.MANAGE_KEYS})),
            KeyRequest("x", scopes=READ),
            ScopesTooWide,
        ),
    ],
)
async def test_no_key_is_wider_than_who_asks_for_it(
    world: World, caller: Principal, asked: KeyRequest, error: type[Exception]
):
    with pytest.raises(error):
        await world.create(caller, asked, SOURCE)
    assert world.keys.rows == {}


async def test_a_user_makes_so_many_keys_and_only_who_manages_keys_makes_more(world: World):
    for _ in range(api_keys.MOST_KEYS):
        await world.create(OLGA, KeyRequest("x"), SOURCE)
    with pytest.raises(TooManyKeys):
        await world.create(OLGA, KeyRequest("x"), SOURCE)
    await world.create(ADMIN, KeyRequest("x", owner="olga"), SOURCE)
    await world.create(principal("vera", Role.VIEWER), KeyRequest("x"), SOURCE)
    assert len(world.keys.rows) == api_keys.MOST_KEYS + 2


async def test_a_caller_limited_to_assets_makes_keys_limited_to_them(world: World):
    limited = principal(assets=("acme.osaka",))
    key, _ = await world.create(limited, KeyRequest("x", assets=("acme",)), SOURCE)
    assert key.assets == ("acme.osaka",)


async def test_everybody_sees_their_own_keys_and_an_administrator_all(world: World):
    for caller in (OLGA, ADMIN):
        await world.create(caller, KeyRequest("x"), SOURCE)
    assert [key.owner for key in (await world.administration.page(OLGA, KeyFilter(), limit=9, cursor=None)).items] == [
        "olga"
    ]
    assert len((await world.administration.page(ADMIN, KeyFilter(), limit=9, cursor=None)).items) == 2


async def test_one_key_is_shown_to_its_owner_and_to_an_administrator(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    assert [await world.get(caller, key.key_id) for caller in (OLGA, ADMIN)] == [key, key]
    for stranger in (principal("vera", Role.VIEWER), principal("vera", method="api_key")):
        with pytest.raises(ApiKeyMissing):
            await world.get(stranger, key.key_id)


async def test_a_change_ends_what_was_verified_before(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    changed = await world.change(OLGA, key.key_id, KeyChange(active=False, scopes=READ), SOURCE)
    assert (changed.active, changed.scopes, changed.name) == (False, READ, "x")
    assert world.redis.floors == {f"key:{key.key_id}": changed.generation}


@pytest.mark.parametrize("caller", [principal("vera", Role.VIEWER), principal(method="api_key")])
async def test_somebody_elses_key_looks_like_none(world: World, caller: Principal):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    attempts = (
        world.change(caller, key.key_id, KeyChange(active=False), SOURCE),
        world.rotate(caller, key.key_id, timedelta(), SOURCE),
        world.delete(caller, key.key_id, SOURCE),
    )
    for attempt in attempts:
        with pytest.raises(ApiKeyMissing):
            await attempt
    assert world.keys.rows[key.key_id] == key


async def test_a_rotated_key_keeps_its_id_and_not_its_secret(world: World):
    key, old = await world.create(OLGA, KeyRequest("x"), SOURCE)
    rotated, new = await world.rotate(OLGA, key.key_id, timedelta(), SOURCE)
    assert (new.key_id, rotated.former_digest) == (key.key_id, None)
    assert api_keys.verify(new.text, rotated, user(), NOW).subject == "olga"
    with pytest.raises(ApiKeyInvalid):
        api_keys.verify(old.text, rotated, user(), NOW)


@pytest.mark.parametrize(
    "caller",
    [
        principal("root", Role.ADMIN, method="api_key", permissions=READ | {Permission.MANAGE_KEYS}),
        principal("root", Role.ADMIN, assets=("acme.osaka",)),
    ],
)
async def test_nobody_takes_over_a_wider_key_by_rotating_it(world: World, caller: Principal):
    wide, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    narrow, _ = await world.create(OLGA, KeyRequest("x", scopes=READ, assets=("acme.osaka",)), SOURCE)
    with pytest.raises(BeyondOwnRights):
        await world.rotate(caller, wide.key_id, timedelta(), SOURCE)
    assert world.keys.rows[wide.key_id] == wide
    await world.rotate(caller, narrow.key_id, timedelta(), SOURCE)


async def test_a_user_whose_role_was_lowered_still_rotates_their_keys(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    await world.rotate(principal(role=Role.VIEWER), key.key_id, timedelta(), SOURCE)


async def test_a_rotation_with_overlap_says_until_when(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    rotated, _ = await world.rotate(OLGA, key.key_id, timedelta(hours=1), SOURCE)
    assert (rotated.former_digest, rotated.former_until) == (key.digest, NOW + timedelta(hours=1))


async def test_a_deleted_key_is_gone_everywhere(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    await world.delete(OLGA, key.key_id, SOURCE)
    assert world.keys.rows == {}
    assert world.redis.floors == {f"key:{key.key_id}": 2}


WIDE, NARROW = Limit("key", 7200, 100), Limit("key", 60, 5)
PLANT = (parse_network("10.20.0.0/16"),)


async def test_networks_and_a_limit_are_kept_and_written_into_the_audit_trail(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x", networks=PLANT, limit=NARROW), SOURCE)
    assert (key.networks, key.limit) == (PLANT, NARROW)
    facts = world.audit.events[-1].facts
    assert facts["networks"] == ["10.20.0.0/16"]
    assert facts["limit"] == {"requests_per_hour": 60, "burst": 5}


@pytest.mark.parametrize(
    ("change", "networks", "limit"),
    [
        (KeyChange(name="y"), PLANT, NARROW),
        (KeyChange(networks=()), (), NARROW),
        (KeyChange(limit=None), PLANT, None),
        (KeyChange(limit=Limit("key", 1, 1)), PLANT, Limit("key", 1, 1)),
    ],
)
async def test_a_change_leaves_what_it_does_not_name(
    world: World, change: KeyChange, networks: tuple[object, ...], limit: Limit | None
):
    key, _ = await world.create(OLGA, KeyRequest("x", networks=PLANT, limit=NARROW), SOURCE)
    changed = await world.change(OLGA, key.key_id, change, SOURCE)
    assert (changed.networks, changed.limit) == (networks, limit)


async def test_only_those_who_manage_keys_give_one_more_than_everybody_has(world: World):
    with pytest.raises(LimitTooHigh):
        await world.create(OLGA, KeyRequest("x", limit=WIDE), SOURCE)
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    with pytest.raises(LimitTooHigh):
        await world.change(OLGA, key.key_id, KeyChange(limit=WIDE), SOURCE)
    given = await world.change(ADMIN, key.key_id, KeyChange(limit=WIDE), SOURCE)
    assert given.limit == WIDE
    # Its owner may still change the rest, and take the limit away.
    assert (await world.change(OLGA, key.key_id, KeyChange(name="y"), SOURCE)).limit == WIDE
    assert (await world.change(OLGA, key.key_id, KeyChange(limit=None), SOURCE)).limit is None


@pytest.mark.parametrize("caller", [principal(assets=("acme.tokyo",)), ADMIN])
async def test_a_key_for_assets_out_of_reach_is_not_made(world: World, caller: Principal):
    world.users.rows["olga"] = user(assets=("acme.tokyo",))
    with pytest.raises(AssetsOutOfReach):
        await world.create(caller, KeyRequest("x", owner="olga", assets=("acme.osaka",)), SOURCE)
    key, _ = await world.create(caller, KeyRequest("x", owner="olga"), SOURCE)
    with pytest.raises(AssetsOutOfReach):
        await world.change(caller, key.key_id, KeyChange(assets=("acme.osaka",)), SOURCE)
    narrowed = await world.change(caller, key.key_id, KeyChange(assets=("acme.tokyo.r1",)), SOURCE)
    assert narrowed.assets == ("acme.tokyo.r1",)


async def test_who_is_vouched_for_by_a_provider_owns_no_keys_and_may_manage_those_of_others(world: World):
    external = principal("sso:u1", Role.ADMIN, method="external")
    with pytest.raises(ExternalCaller):
        await world.create(external, KeyRequest("x"), SOURCE)
    key, _ = await world.create(external, KeyRequest("x", owner="olga"), SOURCE)
    assert key.owner == "olga"
    page = await world.administration.page(principal("sso:u2", method="external"), KeyFilter(), limit=9, cursor=None)
    assert page.items == ()


async def test_an_administrator_lists_by_owner_and_nobody_else_does(world: World):
    for caller in (OLGA, ADMIN):
        await world.create(caller, KeyRequest("x"), SOURCE)
    page = await world.administration.page(ADMIN, KeyFilter(owner="olga"), limit=9, cursor=None)
    assert [key.owner for key in page.items] == ["olga"]
    with pytest.raises(NotAllowed):
        await world.administration.page(OLGA, KeyFilter(owner="root"), limit=9, cursor=None)
    assert len((await world.administration.page(OLGA, KeyFilter(owner="olga"), limit=9, cursor=None)).items) == 1


async def test_a_second_rotation_ends_the_secret_of_before_the_first(world: World):
    key, first = await world.create(OLGA, KeyRequest("x"), SOURCE)
    hour = timedelta(hours=1)
    _, second = await world.rotate(OLGA, key.key_id, hour, SOURCE)
    rotated, third = await world.rotate(OLGA, key.key_id, hour, SOURCE)
    for counting in (second, third):
        assert api_keys.verify(counting.text, rotated, user(), NOW).subject == "olga"
    with pytest.raises(ApiKeyInvalid):
        api_keys.verify(first.text, rotated, user(), NOW)
    with pytest.raises(ApiKeyInvalid):
        api_keys.verify(second.text, rotated, user(), NOW + hour)


async def test_without_redis_no_key_is_changed(world: World):
    key, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    world.redis.away = True
    with pytest.raises(RedisAway):
        await world.change(OLGA, key.key_id, KeyChange(active=False), SOURCE)
    assert world.keys.rows[key.key_id].active


async def test_an_administrator_of_a_site_leaves_the_keys_of_others_alone(world: World):
    site = principal("root", Role.ADMIN, assets=("acme.osaka",))
    everywhere, _ = await world.create(OLGA, KeyRequest("everywhere"), SOURCE)
    here, _ = await world.create(OLGA, KeyRequest("here", assets=("acme.osaka.r1",)), SOURCE)
    for attempt in (
        world.get(site, everywhere.key_id),
        world.change(site, everywhere.key_id, KeyChange(active=False), SOURCE),
        world.rotate(site, everywhere.key_id, timedelta(0), SOURCE),
        world.delete(site, everywhere.key_id, SOURCE),
    ):
        with pytest.raises(BeyondOwnRights):
            await attempt
    assert await world.get(site, here.key_id) == here
    assert not (await world.change(site, here.key_id, KeyChange(active=False), SOURCE)).active


@pytest.mark.parametrize(("hours", "refused"), [(0, False), (12, False), (13, True), (24 * 29, True)])
async def test_a_key_is_handed_out_in_a_session_that_was_logged_in_to_not_long_ago(
    world: World, hours: int, *, refused: bool
):
    existing, _ = await world.create(OLGA, KeyRequest("x"), SOURCE)
    session = Family("s", "olga", NOW, NOW + timedelta(days=30), None)
    world.families.families["s"] = session
    world.clock.advance(hours=hours)
    for handed_out in (
        world.create(OLGA, KeyRequest("y"), SOURCE, "s"),
        world.rotate(OLGA, existing.key_id, timedelta(), SOURCE, "s"),
        # For others too, by those who manage keys.
        world.create(ADMIN, KeyRequest("z", owner="olga"), SOURCE, "s"),
    ):
        if refused:
            with pytest.raises(FreshLoginRequired):
                await handed_out
        else:
            await handed_out
    assert len(world.keys.rows) == (1 if refused else 3)
    # What takes rights away waits for nothing, and a machine's key has no login.
    await world.change(OLGA, existing.key_id, KeyChange(active=False), SOURCE)
    await world.create(ADMIN, KeyRequest("of a key", owner="olga"), SOURCE)
