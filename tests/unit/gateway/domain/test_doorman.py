"""Who is let in, on what, and what happens while Redis is away."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from services.gateway.domain.access import Route, Service
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.credentials import Authenticator, Stamp
from services.gateway.domain.doorman import Admission, Charge, Doorman, Entrance, Limits, check_room
from services.gateway.domain.errors import (
    AddressNotAllowed,
    CredentialsMissing,
    NotAllowed,
    RedisAway,
    TokenRejected,
    TooManyRequests,
    UserMissing,
)
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.refresh import Family
from services.gateway.domain.users import User
from shared.principal import Permission
from tests.unit.gateway.fakes import (
    NOW,
    FakeClock,
    FakeCounter,
    FakeFamilies,
    FakeGate,
    FakeKeys,
    FakeRedis,
    FakeTokens,
    FakeUsers,
    user,
)

PREDICT = Route("POST", "/predict", Permission.PREDICT, Service.TWIN)
PUBLISH = Route("POST", "/models", Permission.PUBLISH, Service.TWIN)
USERS = Route("GET", "/users", Permission.READ, Service.GATEWAY)
TRAIN = Route("POST", "/detectors", Permission.TRAIN, Service.ANOMALY)
ADDRESS = "192.0.2.1"
LIMITS = Limits(
    caller=Limit("caller", 3600, 100),
    heavy=Limit("heavy", 100, 10),
    address=Limit("address", 3600, 50),
    local=Limit("local", 60, 2),
    refused=Limit("refused", 3600, 3),
)


class AwayUsers(FakeUsers):
    async def get(self, username: str) -> User:
        raise RedisAway


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.users = FakeUsers([user()])
        self.tokens = FakeTokens()
        families = FakeFamilies()
        families.families["s1"] = Family("s1", "olga", NOW, NOW + timedelta(days=1), None)
        self.redis = FakeRedis()
        self.gate = FakeGate(self.redis)
        self.local = FakeCounter(2)
        self.failures = FakeCounter(3)
        self.doorman = Doorman(
            authenticator=Authenticator(
                tokens=self.tokens, users=self.users, families=families, keys=FakeKeys(), clock=self.clock
            ),
            gate=self.gate,
            limits=LIMITS,
            local=self.local,
            failures=self.failures,
        )
        text = self.tokens.issue(AccessClaims("olga", "s1", 1, NOW, NOW + timedelta(minutes=10)))
        self.headers = [(b"authorization", f"Bearer {text}".encode())]

    async def admit(self, route: Route = PREDICT, headers: list[tuple[bytes, bytes]] | None = None) -> Entrance:
        return await self.doorman.admit(route, self.headers if headers is None else headers, ADDRESS)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_caller_is_verified_once_and_counted_every_time(world: World):
    await world.admit()
    world.users.rows.clear()
    entrance = await world.admit()
    assert (entrance.caller.principal.subject, entrance.without_redis) == ("olga", False)
    assert world.redis.counted == ["user:olga"] * 2


async def test_a_raised_floor_ends_what_is_remembered(world: World):
    await world.admit()
    world.users.rows["olga"] = user(generation=2)
    world.redis.floors["user:olga"] = 2
    with pytest.raises(TokenRejected):
        await world.admit()


async def test_a_floor_raised_between_two_looks_ends_a_new_verification_too(world: World):
    world.redis.floors["session:s1"] = 1
    with pytest.raises(TokenRejected):
        await world.admit()
    assert world.redis.counted == []


async def test_floors_that_were_missed_while_somebody_was_let_in_are_made_up_for_in_the_database(world: World):
    class Missing(FakeGate):
        async def admit(
            self, charges: Sequence[Charge], stamps: tuple[Stamp, ...], *, at_this_moment: bool
        ) -> Admission:
            self.era += 1
            return await super().admit(charges, stamps, at_this_moment=at_this_moment)

    await world.admit()
    world.users.rows["olga"] = user(active=False, generation=2)
    world.doorman._gate = Missing(world.redis)
    with pytest.raises(TokenRejected):
        await world.admit(PUBLISH)


async def test_without_redis_a_known_caller_goes_on_predicting_on_a_stricter_limit(world: World):
    await world.admit()
    world.redis.away = True
    entrance = await world.admit()
    assert (entrance.without_redis, entrance.allowance.limit) == (True, Limit("caller", 60, 2))
    await world.admit()
    with pytest.raises(TooManyRequests):
        world.doorman.check(await world.admit(), PREDICT)


@pytest.mark.parametrize("route", [PUBLISH, USERS])
async def test_without_redis_a_known_caller_does_nothing_else(world: World, route: Route):
    await world.admit()
    world.redis.away = True
    with pytest.raises(RedisAway):
        await world.admit(route)


async def test_without_redis_what_had_ended_before_stays_ended(world: World):
    await world.admit()
    # Redis went away, and took the floor along, before the token was seen again.
    world.users.rows["olga"] = user(active=False, generation=2)
    world.redis.away = True
    with pytest.raises(TokenRejected):
        await world.admit()


async def test_without_redis_and_database_a_known_caller_still_predicts(world: World):
    await world.admit()
    world.redis.away = True
    world.doorman._authenticator._users = AwayUsers()
    assert (await world.admit()).without_redis


async def test_without_redis_a_stranger_stays_out_and_stays_a_stranger(world: World):
    world.redis.away = True
    for _ in range(2):
        with pytest.raises(RedisAway):
            await world.admit()


async def test_without_redis_a_memory_still_ends_in_time(world: World):
    await world.admit()
    world.redis.away = True
    world.clock.advance(minutes=10)
    with pytest.raises(RedisAway):
        await world.admit()


async def test_an_address_that_sends_refused_credentials_is_stopped_before_the_database(world: World):
    bad = [(b"authorization", b"Bearer made-up")]
    for _ in range(3):
        with pytest.raises(TokenRejected):
            await world.admit(headers=bad)
    with pytest.raises(TooManyRequests):
        await world.admit(headers=bad)
    with pytest.raises(TooManyRequests):
        await world.admit()


async def test_who_is_remembered_is_not_stopped_by_a_neighbour_with_refused_credentials(world: World):
    await world.admit()
    world.failures.counted = [ADDRESS] * 10
    assert (await world.admit()).caller.principal.subject == "olga"


async def test_no_credential_is_no_entrance(world: World):
    with pytest.raises(CredentialsMissing):
        await world.admit(headers=[])


async def test_an_outage_of_the_database_is_not_a_refused_credential(world: World):
    world.doorman._authenticator._users = AwayUsers()
    with pytest.raises(RedisAway):
        await world.admit()
    assert world.failures.counted == []


async def test_a_caller_over_its_limit_is_told_when_to_come_back(world: World):
    world.redis.requests_allowed = 0
    with pytest.raises(TooManyRequests) as refused:
        world.doorman.check(await world.admit(), PREDICT)
    assert refused.value.retry_after_s == 7.0


async def test_what_is_on_loan_lets_a_known_caller_in_without_asking(world: World):
    await world.admit()
    world.redis.away, world.gate.on_loan = True, 1
    assert not (await world.admit()).without_redis
    assert (await world.admit()).without_redis


async def test_a_raised_floor_ends_what_is_on_loan(world: World):
    await world.admit()
    world.gate.on_loan = 5
    world.redis.floors["session:s1"] = 1
    with pytest.raises(TokenRejected):
        await world.admit()
    assert world.gate.on_loan == 5


@pytest.mark.parametrize("route", [PUBLISH, USERS])
async def test_whoever_changes_something_is_asked_for_each_time(world: World, route: Route):
    await world.admit()
    world.redis.away, world.gate.on_loan = True, 5
    with pytest.raises(RedisAway):
        await world.admit(route)


async def test_what_starts_long_work_is_counted_on_two_limits(world: World):
    await world.admit(TRAIN)
    await world.admit(TRAIN)
    assert world.redis.counted == ["user:olga", "heavy:user:olga"] * 2


async def test_a_verification_that_began_before_a_gap_is_not_remembered(world: World):
    async def get(username: str) -> User:
        world.gate.era += 1
        return user()

    world.users.get = get
    await world.admit()
    world.redis.away = True
    with pytest.raises(RedisAway):
        await world.admit()


async def test_an_own_limit_stands_in_for_the_general_one(world: World):
    await world.admit()
    own = Limit("key", 10, 5)
    ((fingerprint, (until, verified)),) = world.doorman._authenticator._memory.items()
    world.doorman._authenticator._memory[fingerprint] = until, replace(verified, limit=own)
    assert (await world.admit()).allowance.limit == own


@pytest.mark.parametrize(("network", "allowed"), [("192.0.2.0/24", True), ("198.51.100.0/24", False)])
async def test_a_credential_counts_only_where_it_may_come_from(world: World, network: str, allowed: bool):
    entrance = await world.admit()
    entrance = replace(entrance, caller=replace(entrance.caller, networks=(ip_network(network),)))
    with nullcontext() if allowed else pytest.raises(AddressNotAllowed):
        world.doorman.check(entrance, PREDICT)


async def test_anybody_is_counted_by_network_and_here_alone_while_redis_is_away(world: World):
    check_room(await world.doorman.admit_anybody("2001:db8::1"))
    assert world.redis.counted == ["address:2001:db8::/64"]
    world.redis.away = True
    allowances = [await world.doorman.admit_anybody(ADDRESS) for _ in range(3)]
    assert [allowance.decision.allowed for allowance in allowances] == [True, True, False]
    with pytest.raises(TooManyRequests):
        check_room(allowances[-1])


async def test_a_caller_without_the_permission_is_refused(world: World):
    with pytest.raises(NotAllowed):
        world.doorman.check(await world.admit(PUBLISH), PUBLISH)


async def test_a_deleted_user_is_a_refused_token_and_not_a_missing_user(world: World):
    world.users.rows.clear()
    with pytest.raises(TokenRejected) as refused:
        await world.admit()
    assert not isinstance(refused.value, UserMissing)
