"""Administration of users."""

import pytest

from services.gateway.domain.accounts import Accounts, UserRequest
from services.gateway.domain.errors import (
    BeyondOwnRights,
    LastAdmin,
    NotAllowed,
    PasswordRefused,
    RedisAway,
    TooManyAttempts,
    UserExists,
    UserMissing,
    WrongCredentials,
)
from services.gateway.domain.passwords import PasswordPolicy
from services.gateway.domain.user_store import UserChange, apply_change
from services.gateway.domain.users import is_username
from shared.principal import Permission, Principal, Role
from tests.unit.gateway.fake_factors import FakeFactors, FakeWords, prover
from tests.unit.gateway.fakes import (
    SOURCE,
    FakeAudit,
    FakeClock,
    FakeHasher,
    FakeRedis,
    FakeThrottle,
    FakeUsers,
    principal,
    user,
)

ADMIN = principal("root", Role.ADMIN)
GOOD = "a long walk by the river"


class World:
    def __init__(self) -> None:
        self.users = FakeUsers([user("root", Role.ADMIN), user(password_hash="hash of right")])
        self.redis = FakeRedis()
        self.audit = FakeAudit()
        clock, hasher, throttle = FakeClock(), FakeHasher(), FakeThrottle(self.redis)
        self.accounts = Accounts(
            users=self.users,
            hasher=hasher,
            prover=prover(hasher, throttle, FakeFactors(self.users), clock),
            policy=PasswordPolicy(FakeWords()),
            floors=self.redis,
            throttle=throttle,
            audit=self.audit,
            clock=clock,
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_user_is_stored_with_a_hash_and_on_the_trail(world: World):
    made = await world.accounts.create(ADMIN, UserRequest("ann", GOOD, Role.VIEWER, ("acme",)), SOURCE)
    assert world.users.rows["ann"] == made
    assert (made.password_hash, made.active, made.assets) == (f"hash of {GOOD}", True, ("acme",))
    assert world.audit.said() == [("root", "user.created", "ann", True)]
    assert GOOD not in repr(world.audit.events)


async def test_a_weak_password_makes_no_user(world: World):
    with pytest.raises(PasswordRefused):
        await world.accounts.create(ADMIN, UserRequest("ann", "short", Role.VIEWER), SOURCE)
    assert "ann" not in world.users.rows


async def test_a_name_that_is_taken_stays_with_its_user(world: World):
    with pytest.raises(UserExists):
        await world.accounts.create(ADMIN, UserRequest("olga", GOOD, Role.ADMIN), SOURCE)
    assert world.users.rows["olga"].role is Role.OPERATOR


async def test_a_change_ends_what_was_issued_before(world: World):
    changed = await world.accounts.change(ADMIN, "olga", UserChange(role=Role.VIEWER), SOURCE)
    assert (changed.role, changed.active, changed.generation) == (Role.VIEWER, True, 2)
    assert world.redis.floors == {"user:olga": 2}


@pytest.mark.parametrize("change", [UserChange(role=Role.ENGINEER), UserChange(active=False)])
async def test_the_last_administrator_stays_one(world: World, change: UserChange):
    with pytest.raises(LastAdmin):
        await world.accounts.change(ADMIN, "root", change, SOURCE)
    with pytest.raises(LastAdmin):
        await world.accounts.delete(ADMIN, "root", SOURCE)
    await world.accounts.change(ADMIN, "olga", UserChange(role=Role.ADMIN), SOURCE)
    await world.accounts.change(ADMIN, "root", change, SOURCE)


def test_a_disabled_administrator_is_not_the_last_one():
    idle = user("idle", Role.ADMIN, active=False)
    assert apply_change(idle, UserChange(role=Role.VIEWER), other_admins=0).role is Role.VIEWER


async def test_deleting_a_user_ends_everything_issued(world: World):
    await world.accounts.delete(ADMIN, "olga", SOURCE)
    assert world.redis.floors == {"user:olga": 2}
    with pytest.raises(UserMissing):
        await world.accounts.get(ADMIN, "olga")


async def test_a_user_proves_the_old_password_for_a_new_one(world: World):
    olga = principal()
    for wrong in (None, "wrong", "x" * 2000):
        with pytest.raises(WrongCredentials):
            await world.accounts.set_password(olga, "olga", GOOD, wrong, SOURCE)
    await world.accounts.set_password(olga, "olga", GOOD, "right", SOURCE)
    assert world.users.rows["olga"].password_hash == f"hash of {GOOD}"
    assert world.redis.floors == {"user:olga": 2}
    assert [success for *_, success in world.audit.said()] == [False, False, False, True]


async def test_a_stolen_token_is_no_way_to_guess_the_password(world: World):
    world.redis.attempts_allowed = 2
    for _ in range(2):
        with pytest.raises(WrongCredentials):
            await world.accounts.set_password(principal(), "olga", GOOD, "guess", SOURCE)
    with pytest.raises(TooManyAttempts):
        await world.accounts.set_password(principal(), "olga", GOOD, "right", SOURCE)


async def test_only_an_administrator_sets_somebody_elses_password(world: World):
    with pytest.raises(NotAllowed):
        await world.accounts.set_password(principal(), "root", GOOD, "right", SOURCE)
    await world.accounts.set_password(ADMIN, "olga", GOOD, None, SOURCE)
    assert world.users.rows["olga"].password_hash == f"hash of {GOOD}"


@pytest.mark.parametrize(
    "caller",
    [
        principal("root", Role.ADMIN, method="api_key", permissions=frozenset({Permission.MANAGE_USERS})),
        principal("root", Role.ADMIN, assets=("acme.osaka",)),
    ],
)
async def test_nobody_makes_or_becomes_a_user_who_may_do_more(world: World, caller: Principal):
    for attempt in (
        world.accounts.create(caller, UserRequest("ann", GOOD, Role.ADMIN), SOURCE),
        world.accounts.change(caller, "root", UserChange(assets=()), SOURCE),
        world.accounts.change(caller, "olga", UserChange(role=Role.ADMIN), SOURCE),
        world.accounts.set_password(caller, "olga", GOOD, None, SOURCE),
    ):
        with pytest.raises(BeyondOwnRights):
            await attempt
    assert world.users.rows == {"root": user("root", Role.ADMIN), "olga": user(password_hash="hash of right")}


async def test_nobody_lets_a_user_in_again_who_may_do_more(world: World):
    few = principal("root", Role.ADMIN, method="api_key", permissions=frozenset({Permission.MANAGE_USERS}))
    await world.accounts.change(few, "olga", UserChange(active=False), SOURCE)
    with pytest.raises(BeyondOwnRights):
        await world.accounts.change(few, "olga", UserChange(active=True), SOURCE)
    assert not world.users.rows["olga"].active
    assert (await world.accounts.change(ADMIN, "olga", UserChange(active=True), SOURCE)).active
    # Who is in already is given nothing.
    assert (await world.accounts.change(few, "olga", UserChange(active=True), SOURCE)).active


async def test_a_key_that_is_limited_to_a_site_does_not_see_its_owner_who_is_not(world: World):
    narrow = principal("root", Role.ADMIN, assets=("acme.osaka",), method="api_key")
    with pytest.raises(BeyondOwnRights):
        await world.accounts.get(narrow, "root")
    assert (await world.accounts.get(principal("root", Role.ADMIN, method="api_key"), "root")).username == "root"


async def test_an_administrator_of_a_site_administers_its_users(world: World):
    site = principal("root", Role.ADMIN, assets=("acme.osaka",))
    asked = UserRequest("ann", GOOD, Role.ENGINEER, ("acme.osaka.reactor",))
    await world.accounts.create(site, asked, SOURCE)
    await world.accounts.change(site, "ann", UserChange(role=Role.VIEWER), SOURCE)
    await world.accounts.set_password(site, "ann", GOOD, None, SOURCE)
    assert world.users.rows["ann"].role is Role.VIEWER
    # Olga works everywhere: nobody of one site locks her out of the others.
    for attempt in (
        world.accounts.change(site, "olga", UserChange(active=False), SOURCE),
        world.accounts.change(site, "olga", UserChange(Role.VIEWER, None, ("acme.osaka",)), SOURCE),
        world.accounts.delete(site, "olga", SOURCE),
    ):
        with pytest.raises(BeyondOwnRights):
            await attempt
    await world.accounts.delete(site, "ann", SOURCE)
    assert world.users.rows["olga"] == user(password_hash="hash of right")


async def test_without_redis_no_user_is_changed(world: World):
    world.redis.away = True
    for attempt in (
        world.accounts.change(ADMIN, "olga", UserChange(active=False), SOURCE),
        world.accounts.delete(ADMIN, "olga", SOURCE),
        world.accounts.set_password(ADMIN, "olga", GOOD, None, SOURCE),
    ):
        with pytest.raises(RedisAway):
            await attempt
    assert world.users.rows["olga"] == user(password_hash="hash of right")


@pytest.mark.parametrize("name", ["a", "operator1", "olga.petrova", "olga@acme.example", "a" * 64])
def test_a_user_name_is_plain_and_lower_case(name: str):
    assert is_username(name)


@pytest.mark.parametrize("name", ["", "Olga", "olga ", "-olga", "olga.", "ol/ga", "óla", "a" * 65, "a\n", "a\0b"])
def test_what_could_be_taken_for_another_name_is_none(name: str):
    assert not is_username(name)


async def test_beside_a_second_factor_a_shorter_password_will_do(world: World):
    with pytest.raises(PasswordRefused):
        await world.accounts.set_password(ADMIN, "olga", "river 77", None, SOURCE)
    world.users.rows["olga"] = user(second_factor=True)
    await world.accounts.set_password(ADMIN, "olga", "river 77", None, SOURCE)
    assert world.users.rows["olga"].short_password
    await world.accounts.set_password(ADMIN, "olga", GOOD, None, SOURCE)
    assert not world.users.rows["olga"].short_password


async def test_the_lists_hold_for_users_who_are_made_and_passwords_that_are_changed(world: World):
    for attempt in (
        world.accounts.create(ADMIN, UserRequest("ann", "internationalization", Role.VIEWER), SOURCE),
        world.accounts.set_password(ADMIN, "olga", "internationalization", None, SOURCE),
    ):
        with pytest.raises(PasswordRefused):
            await attempt


async def test_the_last_administrator_of_everything_is_not_limited_to_a_site(world: World):
    site = UserChange(assets=("acme.osaka",))
    with pytest.raises(LastAdmin):
        await world.accounts.change(ADMIN, "root", site, SOURCE)
    # One who is limited is no other: nobody could lift the limits of either.
    world.users.rows["ann"] = user("ann", Role.ADMIN, assets=("acme.tokyo",))
    for change in (site, UserChange(active=False), UserChange(role=Role.VIEWER)):
        with pytest.raises(LastAdmin):
            await world.accounts.change(ADMIN, "root", change, SOURCE)
    world.users.rows["ann"] = user("ann", Role.ADMIN)
    assert (await world.accounts.change(ADMIN, "root", site, SOURCE)).assets == ("acme.osaka",)


async def test_a_password_is_given_until_its_user_sets_another(world: World):
    ann = principal("ann", Role.VIEWER)
    await world.accounts.create(ADMIN, UserRequest("ann", GOOD, Role.VIEWER), SOURCE)
    assert world.users.rows["ann"].given_password
    with pytest.raises(PasswordRefused):
        await world.accounts.set_password(ann, "ann", GOOD, GOOD, SOURCE)
    assert world.users.rows["ann"].given_password
    await world.accounts.set_password(ann, "ann", f"{GOOD} Seine", GOOD, SOURCE)
    assert not world.users.rows["ann"].given_password
    await world.accounts.set_password(ADMIN, "ann", GOOD, None, SOURCE)
    assert world.users.rows["ann"].given_password


@pytest.mark.parametrize(("factor", "counted"), [(False, []), (True, [("olga", SOURCE.address)])])
async def test_a_right_password_forgives_nothing_beside_a_second_factor(
    world: World, *, factor: bool, counted: list[tuple[str, str]]
):
    world.users.rows["olga"] = user(password_hash="hash of right", second_factor=factor)
    with pytest.raises(PasswordRefused):
        await world.accounts.set_password(principal(), "olga", "short", "right", SOURCE)
    assert world.redis.attempts == counted
