"""Logging in, staying logged in, logging out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.gateway.domain.credentials import Verified
from services.gateway.domain.errors import RedisAway, RefreshRejected, TooManyAttempts, WrongCredentials
from services.gateway.domain.factor_errors import SecondFactorRequired, SecondFactorUnreadable
from services.gateway.domain.second_factor import Factor, recovery_digest
from services.gateway.domain.sessions import Lifetimes, Sessions
from shared.principal import Role
from tests.unit.gateway.fake_factors import FakeFactors, FakeSeals, code_at, prover
from tests.unit.gateway.fakes import (
    SOURCE,
    Entropy,
    FakeAudit,
    FakeClock,
    FakeFamilies,
    FakeHasher,
    FakeRedis,
    FakeThrottle,
    FakeTokens,
    FakeUsers,
    principal,
    user,
)

RECOVERY_CODE = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"
LIFETIMES = Lifetimes(access=timedelta(minutes=10), refresh_idle=timedelta(days=1), session=timedelta(days=3))


class World:
    """Everything a session needs, and the use case over it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.users = FakeUsers(
            [user(password_hash="hash of right"), user("gone", active=False, password_hash="hash of right")]
        )
        self.hasher = FakeHasher()
        self.tokens = FakeTokens()
        self.audit = FakeAudit()
        self.families = FakeFamilies(self.audit)
        self.redis = FakeRedis()
        self.factors = FakeFactors(self.users)
        self.seals = FakeSeals()
        throttle = FakeThrottle(self.redis)
        self.sessions = Sessions(
            users=self.users,
            hasher=self.hasher,
            prover=prover(self.hasher, throttle, self.factors, self.clock, self.seals),
            issuer=self.tokens,
            families=self.families,
            floors=self.redis,
            throttle=throttle,
            audit=self.audit,
            clock=self.clock,
            entropy=Entropy(),
            lifetimes=LIFETIMES,
        )

    def enrol(self, username: str = "olga") -> None:
        """Give a user a second factor that was confirmed a while ago, and one recovery code."""
        self.users.rows[username] = replace(self.users.rows[username], second_factor=True)
        sealed = self.seals.seal(b"secret", username)
        self.factors.rows[username] = Factor(username, sealed, self.clock.now(), self.clock.now(), last_step=0)
        self.factors.codes[username] = {recovery_digest(RECOVERY_CODE)}

    @property
    def session_id(self) -> str:
        (family_id,) = self.families.families
        return family_id


@pytest.fixture
def world() -> World:
    return World()


async def test_the_right_password_opens_a_session(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    claims = world.tokens.issued[pair.access_token]
    assert (claims.username, claims.generation, claims.session_id) == ("olga", 1, world.session_id)
    assert claims.expires_at - claims.issued_at == LIFETIMES.access
    assert pair.expires_in_s == 600
    assert world.audit.said() == [("olga", "auth.login", "olga", True)]
    assert world.redis.attempts == []


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("olga", "wrong"),
        ("nobody", "right"),
        ("gone", "right"),
        ("Olga", "right"),
        ("ol\0ga", "right"),
        ("olga", "x" * 1025),
        ("", ""),
    ],
)
async def test_any_wrong_half_is_the_same_error_after_the_same_work(world: World, username: str, password: str):
    with pytest.raises(WrongCredentials) as refused:
        await world.sessions.login(username, password, SOURCE)
    assert str(refused.value) == "wrong user name or password"
    assert world.hasher.verified == 1
    assert world.audit.said() == [(username, "auth.login", username, False)]
    assert world.redis.attempts == [(username, SOURCE.address)]


async def test_a_password_that_was_changed_while_it_was_checked_opens_no_session(world: World):
    world.families.newest_generation = 2
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "right", SOURCE)
    assert world.audit.said() == [("olga", "auth.login", "olga", False)]
    assert world.redis.attempts == [("olga", SOURCE.address)]


async def test_a_throttled_attempt_costs_no_hashing(world: World):
    world.redis.attempts_allowed = 0
    with pytest.raises(TooManyAttempts):
        await world.sessions.login("olga", "right", SOURCE)
    assert world.hasher.verified == 0


async def test_neither_the_pair_nor_what_is_stored_shows_a_refresh_token(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    assert pair.refresh_token not in repr(pair) + repr(world.families.tokens)


async def test_a_refresh_gives_a_new_pair_of_the_same_session(world: World):
    first = await world.sessions.login("olga", "right", SOURCE)
    world.clock.advance(hours=1)
    second = await world.sessions.refresh(first.refresh_token, SOURCE)
    assert second.refresh_token != first.refresh_token
    assert world.tokens.issued[second.access_token].session_id == world.session_id


async def test_using_a_refresh_token_twice_ends_the_session_everywhere(world: World):
    first = await world.sessions.login("olga", "right", SOURCE)
    second = await world.sessions.refresh(first.refresh_token, SOURCE)
    for text in (first.refresh_token, second.refresh_token):
        with pytest.raises(RefreshRejected):
            await world.sessions.refresh(text, SOURCE)
    assert world.redis.floors == {f"session:{world.session_id}": 1}
    assert ("olga", "auth.refresh_reused", world.session_id, False) in world.audit.said()


async def test_refreshing_does_not_extend_a_session_beyond_its_absolute_end(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    for _ in range(3):
        world.clock.advance(hours=23)
        pair = await world.sessions.refresh(pair.refresh_token, SOURCE)
    world.clock.advance(hours=23)
    with pytest.raises(RefreshRejected):
        await world.sessions.refresh(pair.refresh_token, SOURCE)


async def test_a_refresh_token_that_lies_unused_is_void(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    world.clock.advance(days=1)
    with pytest.raises(RefreshRejected):
        await world.sessions.refresh(pair.refresh_token, SOURCE)


@pytest.mark.parametrize("text", ["", "futr_", "token-0", "futr_" + "0" * 64])
async def test_what_is_no_refresh_token_is_refused(world: World, text: str):
    with pytest.raises(RefreshRejected):
        await world.sessions.refresh(text, SOURCE)


async def test_a_user_who_was_disabled_cannot_refresh(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    world.users.rows["olga"] = user(active=False)
    with pytest.raises(RefreshRejected):
        await world.sessions.refresh(pair.refresh_token, SOURCE)


async def test_a_refreshed_token_carries_the_users_newest_generation(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    world.users.rows["olga"] = user(role=Role.VIEWER, generation=2)
    renewed = await world.sessions.refresh(pair.refresh_token, SOURCE)
    assert world.tokens.issued[renewed.access_token].generation == 2


async def test_logout_ends_the_session_for_tokens_of_both_kinds(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    caller = Verified(principal(), world.clock.now(), (), session_id=world.session_id)
    await world.sessions.logout(caller, SOURCE)
    assert world.redis.floors == {f"session:{world.session_id}": 1}
    with pytest.raises(RefreshRejected):
        await world.sessions.refresh(pair.refresh_token, SOURCE)


async def test_logout_with_an_api_key_changes_nothing(world: World):
    await world.sessions.logout(Verified(principal(), world.clock.now(), (), key_id="k"), SOURCE)
    assert (world.redis.floors, world.audit.events) == ({}, [])


async def test_without_redis_nothing_is_half_done(world: World):
    pair = await world.sessions.login("olga", "right", SOURCE)
    caller = Verified(principal(), world.clock.now(), (), session_id=world.session_id)
    world.redis.away = True
    for attempt in (
        world.sessions.login("olga", "right", SOURCE),
        world.sessions.refresh(pair.refresh_token, SOURCE),
        world.sessions.logout(caller, SOURCE),
    ):
        with pytest.raises(RedisAway):
            await attempt
    world.redis.away = False
    assert (await world.sessions.refresh(pair.refresh_token, SOURCE)).access_token


async def test_a_right_password_without_the_code_is_told_that_one_is_needed(world: World):
    world.enrol()
    with pytest.raises(SecondFactorRequired):
        await world.sessions.login("olga", "right", SOURCE)
    assert world.families.families == {}
    assert world.audit.said() == [("olga", "auth.login", "olga", False)]
    assert world.audit.events[0].facts == {"password": "right"}
    assert world.redis.known == []


@pytest.mark.parametrize("code", [None, "000000", "words", RECOVERY_CODE])
async def test_with_a_wrong_password_no_code_is_looked_at(world: World, code: str | None):
    world.enrol()
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "wrong", SOURCE, code=code)
    assert world.redis.attempts == [("olga", SOURCE.address)]
    assert len(world.factors.codes["olga"]) == 1


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_code_of_this_moment_and_the_ones_beside_it_opens_a_session_once(world: World, steps: int):
    world.enrol()
    code = code_at(world.clock.now(), steps)
    assert (await world.sessions.login("olga", "right", SOURCE, code=code)).access_token
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "right", SOURCE, code=code)
    assert [success for *_, success in world.audit.said()] == [True, False]


@pytest.mark.parametrize(
    "code",
    ["", "0", "999999", "1234567", "١٢٣٤٥٦", "AAAA", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFG", "x" * 4000, "\0", "\ud800"],
)
async def test_a_wrong_code_is_an_answer_like_a_wrong_password(world: World, code: str):
    world.enrol()
    with pytest.raises(WrongCredentials) as refused:
        await world.sessions.login("olga", "right", SOURCE, code=code)
    assert str(refused.value) == "wrong user name or password"
    assert world.hasher.verified == 1
    assert world.families.families == {}


@pytest.mark.parametrize("steps", [-2, 2])
async def test_a_code_of_another_minute_is_wrong(world: World, steps: int):
    world.enrol()
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "right", SOURCE, code=code_at(world.clock.now(), steps))


async def test_an_earlier_code_does_not_count_after_a_later_one(world: World):
    world.enrol()
    await world.sessions.login("olga", "right", SOURCE, code=code_at(world.clock.now(), 1))
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "right", SOURCE, code=code_at(world.clock.now()))


@pytest.mark.parametrize(
    "typed", [RECOVERY_CODE, RECOVERY_CODE.lower(), RECOVERY_CODE.replace("-", " "), f" {RECOVERY_CODE} "]
)
async def test_a_recovery_code_stands_in_for_the_app_once(world: World, typed: str):
    world.enrol()
    await world.sessions.login("olga", "right", SOURCE, code=typed)
    assert world.audit.events[0].facts == {"password": "right", "code": "recovery"}
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "right", SOURCE, code=typed)


async def test_guessing_codes_is_counted_apart_from_passwords(world: World):
    world.enrol()
    for _ in range(2):
        with pytest.raises(WrongCredentials):
            await world.sessions.login("olga", "right", SOURCE, code="999999")
    assert world.redis.attempts.count(("code of olga", SOURCE.address)) == 2
    world.redis.attempts_allowed = len(world.redis.attempts) + 1
    with pytest.raises(TooManyAttempts):
        await world.sessions.login("olga", "right", SOURCE, code=code_at(world.clock.now()))


async def test_a_secret_that_cannot_be_read_leaves_the_recovery_codes(world: World):
    world.enrol()
    world.seals.broken = True
    with pytest.raises(SecondFactorUnreadable):
        await world.sessions.login("olga", "right", SOURCE, code=code_at(world.clock.now()))
    assert (await world.sessions.login("olga", "right", SOURCE, code=RECOVERY_CODE)).access_token


async def test_every_kind_of_refused_login_costs_the_same_hashing(world: World):
    world.enrol("gone")
    world.users.rows["pia"] = user("pia", password_hash="hash of right")
    world.enrol("pia")
    counts = set()
    for username, password, code in (
        ("nobody", "right", None),
        ("olga", "wrong", None),
        ("gone", "right", code_at(world.clock.now())),
        ("pia", "right", None),
        ("pia", "right", "999999"),
        ("pia", "wrong", code_at(world.clock.now())),
        ("No such name", "right", RECOVERY_CODE),
    ):
        before = world.hasher.verified
        with pytest.raises((WrongCredentials, SecondFactorRequired)):
            await world.sessions.login(username, password, SOURCE, code=code)
        counts.add(world.hasher.verified - before)
    assert counts == {1}


async def test_a_login_is_noted_and_its_address_remembered(world: World):
    await world.sessions.login("olga", "right", SOURCE)
    assert world.users.rows["olga"].last_login_at == world.clock.now()
    assert world.redis.known == [("olga", SOURCE.address)]


async def test_a_hash_of_yesterdays_parameters_is_renewed_at_the_next_login(world: World):
    world.users.rows["olga"] = user(password_hash="old hash of right")
    with pytest.raises(WrongCredentials):
        await world.sessions.login("olga", "wrong", SOURCE)
    assert world.users.rows["olga"].password_hash == "old hash of right"
    await world.sessions.login("olga", "right", SOURCE)
    assert world.users.rows["olga"].password_hash == "hash of right"
    assert world.users.rows["olga"].generation == 1
