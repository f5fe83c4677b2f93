"""Enrolling, renewing and removing second factors."""

from dataclasses import replace

import pytest

from services.gateway.domain.credentials import Verified
from services.gateway.domain.errors import (
    BeyondOwnRights,
    NotAllowed,
    RedisAway,
    TooManyAttempts,
    UserMissing,
    WrongCredentials,
)
from services.gateway.domain.factor_administration import FactorAdministration
from services.gateway.domain.factor_errors import OnlyOneself, SecondFactorEnrolled, SecondFactorMissing
from services.gateway.domain.second_factor import recovery_digest
from shared.principal import Permission, Principal, Role
from tests.unit.gateway.fake_factors import FakeApps, FakeFactors, FakeSeals, code_at, prover
from tests.unit.gateway.fakes import (
    SOURCE,
    Entropy,
    FakeAudit,
    FakeClock,
    FakeHasher,
    FakeRedis,
    FakeThrottle,
    FakeUsers,
    principal,
    user,
)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.users = FakeUsers([user("root", Role.ADMIN), user(password_hash="hash of right")])
        self.factors = FakeFactors(self.users)
        self.redis = FakeRedis()
        self.audit = FakeAudit()
        throttle, seals = FakeThrottle(self.redis), FakeSeals()
        self.administration = FactorAdministration(
            users=self.users,
            factors=self.factors,
            prover=prover(FakeHasher(), throttle, self.factors, self.clock, seals),
            throttle=throttle,
            apps=FakeApps(),
            seals=seals,
            floors=self.redis,
            audit=self.audit,
            clock=self.clock,
            entropy=Entropy(),
        )

    def code(self, steps: int = 0) -> str:
        return code_at(self.clock.now(), steps)

    async def enrol(self) -> tuple[str, ...]:
        await self.administration.begin(OLGA, "olga", "right", SOURCE)
        codes = await self.administration.confirm(OLGA, "olga", self.code(), SOURCE)
        self.clock.advance(minutes=1)
        return codes


def caller(who: Principal) -> Verified:
    return Verified(who, FakeClock().now(), (), session_id=f"session of {who.subject}")


OLGA, ADMIN = caller(principal()), caller(principal("root", Role.ADMIN))


@pytest.fixture
def world() -> World:
    return World()


async def test_enrolling_takes_the_password_and_then_a_code_of_the_app(world: World):
    enrolment = await world.administration.begin(OLGA, "olga", "right", SOURCE)
    assert enrolment.secret in enrolment.uri
    assert not world.users.rows["olga"].second_factor
    codes = await world.administration.confirm(OLGA, "olga", world.code(), SOURCE)
    assert len(set(codes)) == 10
    assert world.users.rows["olga"].second_factor
    assert world.factors.codes["olga"] == {recovery_digest(code) for code in codes}
    assert world.audit.said() == [
        ("olga", "user.second_factor_begun", "olga", True),
        ("olga", "user.second_factor_enrolled", "olga", True),
    ]


async def test_nothing_that_is_kept_or_written_shows_the_secret_or_a_code(world: World):
    enrolment = await world.administration.begin(OLGA, "olga", "right", SOURCE)
    codes = await world.administration.confirm(OLGA, "olga", world.code(), SOURCE)
    kept = repr((enrolment, world.factors.rows, world.audit.events, world.factors.codes))
    assert enrolment.secret not in kept
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)


async def test_once_confirmed_access_tokens_and_other_sessions_end(world: World):
    await world.enrol()
    assert world.redis.floors == {"user:olga": 2}
    assert world.factors.kept_sessions == ["session of olga"]


async def test_the_code_that_confirmed_is_spent(world: World):
    await world.administration.begin(OLGA, "olga", "right", SOURCE)
    code = world.code()
    await world.administration.confirm(OLGA, "olga", code, SOURCE)
    with pytest.raises(WrongCredentials):
        await world.administration.renew_codes(OLGA, "olga", code, SOURCE)


async def test_a_wrong_code_confirms_nothing(world: World):
    await world.administration.begin(OLGA, "olga", "right", SOURCE)
    for wrong in ("999999", "words", world.code(2), ""):
        with pytest.raises(WrongCredentials):
            await world.administration.confirm(OLGA, "olga", wrong, SOURCE)
    assert not world.users.rows["olga"].second_factor
    assert world.audit.said()[-1] == ("olga", "user.second_factor_enrolled", "olga", False)


async def test_a_wrong_password_begins_nothing(world: World):
    with pytest.raises(WrongCredentials):
        await world.administration.begin(OLGA, "olga", "wrong", SOURCE)
    assert world.factors.rows == {}
    assert world.audit.said() == [("olga", "user.second_factor_begun", "olga", False)]


async def test_only_the_newest_secret_can_be_confirmed_and_not_for_long(world: World):
    with pytest.raises(SecondFactorMissing):
        await world.administration.confirm(OLGA, "olga", world.code(), SOURCE)
    first = await world.administration.begin(OLGA, "olga", "right", SOURCE)
    second = await world.administration.begin(OLGA, "olga", "right", SOURCE)
    assert first.secret != second.secret
    world.clock.advance(minutes=15, seconds=1)
    with pytest.raises(SecondFactorMissing):
        await world.administration.confirm(OLGA, "olga", world.code(), SOURCE)


async def test_a_second_factor_is_not_replaced_behind_its_back(world: World):
    await world.enrol()
    with pytest.raises(SecondFactorEnrolled):
        await world.administration.begin(OLGA, "olga", "right", SOURCE)
    with pytest.raises(SecondFactorEnrolled):
        await world.administration.confirm(OLGA, "olga", world.code(), SOURCE)


async def test_nobody_enrols_or_renews_for_somebody_else(world: World):
    for attempt in (
        world.administration.begin(ADMIN, "olga", "right", SOURCE),
        world.administration.confirm(ADMIN, "olga", world.code(), SOURCE),
        world.administration.renew_codes(ADMIN, "olga", world.code(), SOURCE),
    ):
        with pytest.raises(OnlyOneself):
            await attempt


async def test_new_recovery_codes_end_the_old_ones(world: World):
    old = await world.enrol()
    new = await world.administration.renew_codes(OLGA, "olga", old[0], SOURCE)
    assert not set(old) & set(new)
    assert world.factors.codes["olga"] == {recovery_digest(code) for code in new}


async def test_without_a_second_factor_there_are_no_codes_to_renew(world: World):
    with pytest.raises(SecondFactorMissing):
        await world.administration.renew_codes(OLGA, "olga", world.code(), SOURCE)


async def test_one_removes_ones_own_with_both_factors(world: World):
    codes = await world.enrol()
    for password, code in ((None, None), ("right", None), ("wrong", world.code()), ("right", "999999")):
        with pytest.raises(WrongCredentials):
            await world.administration.remove(OLGA, "olga", password, code, SOURCE)
    assert world.users.rows["olga"].second_factor
    await world.administration.remove(OLGA, "olga", "right", codes[3], SOURCE)
    assert not world.users.rows["olga"].second_factor
    assert world.redis.floors == {"user:olga": 3}
    assert world.factors.kept_sessions[-1] == "session of olga"


async def test_an_administrator_removes_somebody_elses_and_ends_all_sessions(world: World):
    await world.enrol()
    await world.administration.remove(ADMIN, "olga", None, None, SOURCE)
    assert not world.users.rows["olga"].second_factor
    assert world.factors.kept_sessions[-1] is None
    assert world.audit.said()[-1] == ("root", "user.second_factor_removed", "olga", True)


async def test_what_is_not_there_cannot_be_removed(world: World):
    with pytest.raises(SecondFactorMissing):
        await world.administration.remove(ADMIN, "olga", None, None, SOURCE)
    with pytest.raises(SecondFactorMissing):
        await world.administration.remove(OLGA, "olga", "right", world.code(), SOURCE)
    with pytest.raises(UserMissing):
        await world.administration.remove(ADMIN, "nobody", None, None, SOURCE)


async def test_nobody_weakens_a_user_who_may_do_more(world: World):
    await world.enrol()
    with pytest.raises(NotAllowed):
        await world.administration.remove(OLGA, "root", None, None, SOURCE)
    narrow = caller(replace(ADMIN.principal, permissions=frozenset({Permission.MANAGE_USERS})))
    site = caller(replace(ADMIN.principal, assets=("acme.osaka",)))
    for held in (narrow, site):
        with pytest.raises(BeyondOwnRights):
            await world.administration.remove(held, "olga", None, None, SOURCE)
    assert world.users.rows["olga"].second_factor


async def test_a_stolen_session_is_no_way_to_guess(world: World):
    await world.enrol()
    world.redis.attempts_allowed = len(world.redis.attempts) + 2
    for _ in range(2):
        with pytest.raises(WrongCredentials):
            await world.administration.renew_codes(OLGA, "olga", "999999", SOURCE)
    with pytest.raises(TooManyAttempts):
        await world.administration.renew_codes(OLGA, "olga", world.code(), SOURCE)


async def test_without_redis_nothing_is_half_done(world: World):
    await world.administration.begin(OLGA, "olga", "right", SOURCE)
    world.redis.away = True
    for attempt in (
        world.administration.confirm(OLGA, "olga", world.code(), SOURCE),
        world.administration.remove(ADMIN, "olga", None, None, SOURCE),
    ):
        with pytest.raises(RedisAway):
            await attempt
    assert not world.users.rows["olga"].second_factor
