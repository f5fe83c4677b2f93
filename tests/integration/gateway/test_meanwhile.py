"""A user who is changed between the look at who they are and the act that was allowed for it, on both databases."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_second_factors import SqlSecondFactors
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import users
from services.gateway.domain.accounts import Accounts
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.credentials import Verified, user_stamp
from services.gateway.domain.delegation import shown_to
from services.gateway.domain.errors import BeyondOwnRights, ChangedMeanwhile
from services.gateway.domain.factor_administration import FactorAdministration
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.key_requests import KeyChange, KeyFilter, KeyRequest
from services.gateway.domain.passwords import PasswordPolicy
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.user_store import UserChange
from services.gateway.domain.users import User
from shared.database import write
from shared.principal import Role
from tests.unit.gateway.fake_factors import FakeApps, FakeSeals, FakeWords, prover
from tests.unit.gateway.fakes import (
    NOW,
    SOURCE,
    Entropy,
    FakeAudit,
    FakeClock,
    FakeHasher,
    FakeRedis,
    FakeThrottle,
    principal,
    unchecked,
    user,
)

SITE = ("acme.osaka",)
# Limited to one site; olga is too, until somebody who is not lifts that.
ANN = principal("ann", Role.ADMIN, assets=SITE)
ROOT = principal("root", Role.ADMIN)
GOOD = "a long walk by the river"


def lift_limits(engine: Engine) -> None:
    with write(engine) as connection:
        changed = {"assets": [], "generation": users.c.generation + 1}
        connection.execute(update(users).where(users.c.username == "olga").values(changed))


class Meanwhile(SqlUsers):
    """Somebody lifts the limits of olga just before each write."""

    async def change(self, *args: Any, **named: Any) -> User:
        lift_limits(self._engine)
        return await super().change(*args, **named)

    async def set_password(self, *args: Any, **named: Any) -> User:
        lift_limits(self._engine)
        return await super().set_password(*args, **named)

    async def delete(self, *args: Any, **named: Any) -> User:
        lift_limits(self._engine)
        return await super().delete(*args, **named)


class FactorsMeanwhile(SqlSecondFactors):
    async def remove(self, *args: Any, **named: Any) -> User:
        lift_limits(self._engine)
        return await super().remove(*args, **named)


class KeysMeanwhile(SqlKeys):
    """Something happens just before each write."""

    def __init__(self, engine: Engine, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(engine)
        self._happens = happens

    async def add(self, *args: Any, **named: Any) -> None:
        await self._happens()
        await super().add(*args, **named)

    async def replace(self, *args: Any, **named: Any) -> ApiKey:
        await self._happens()
        return await super().replace(*args, **named)

    async def delete(self, *args: Any, **named: Any) -> ApiKey:
        await self._happens()
        return await super().delete(*args, **named)


class World:
    """Accounts and second factors over a database."""

    def __init__(self, engine: Engine) -> None:
        self.users, clock, self.audit, redis = Meanwhile(engine), FakeClock(), FakeAudit(), FakeRedis()
        hasher, throttle, factors = FakeHasher(), FakeThrottle(redis), FactorsMeanwhile(engine)
        proofs = prover(hasher, throttle, factors, clock)
        self.accounts = Accounts(
            users=self.users,
            hasher=hasher,
            prover=proofs,
            policy=PasswordPolicy(FakeWords()),
            floors=redis,
            throttle=throttle,
            audit=self.audit,
            clock=clock,
        )
        self.factors = FactorAdministration(
            users=self.users,
            factors=factors,
            prover=proofs,
            throttle=throttle,
            apps=FakeApps(),
            seals=FakeSeals(),
            floors=redis,
            audit=self.audit,
            clock=clock,
            entropy=Entropy(),
        )


async def as_she_was(world: World) -> User:
    await world.users.add(user("root", Role.ADMIN))
    await world.users.add(user("ann", Role.ADMIN, assets=SITE))
    olga = user(assets=SITE, password_hash="hash of right", second_factor=True)
    await world.users.add(olga)
    return olga


ACTS: dict[str, Callable[[World], Awaitable[object]]] = {
    "role": lambda world: world.accounts.change(ANN, "olga", UserChange(role=Role.ADMIN), SOURCE),
    "disabling": lambda world: world.accounts.change(ANN, "olga", UserChange(active=False), SOURCE),
    "password": lambda world: world.accounts.set_password(ANN, "olga", GOOD, None, SOURCE),
    "deletion": lambda world: world.accounts.delete(ANN, "olga", SOURCE),
    "second factor": lambda world: world.factors.remove(Verified(ANN, NOW, ()), "olga", None, None, SOURCE),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_who_reaches_one_site_does_nothing_to_a_user_who_reaches_all_by_now(
    engine: Engine, act: Callable[[World], Awaitable[object]]
):
    world = World(engine)
    before = await as_she_was(world)
    with pytest.raises(BeyondOwnRights):
        await act(world)
    after = await world.users.get("olga")
    assert after == replace(before, assets=(), generation=2)
    assert world.audit.events == []


async def test_who_proved_a_password_that_is_no_longer_theirs_sets_none(engine: Engine):
    world = World(engine)
    before = await as_she_was(world)
    with pytest.raises(ChangedMeanwhile):
        await world.accounts.set_password(principal(), "olga", GOOD, "right", SOURCE)
    assert (await world.users.get("olga")).password_hash == before.password_hash


WHOLE_PLANT = ApiKey(
    "k", "line 4", "olga", b"", None, None, frozenset(), (), True, 1, NOW, NOW + timedelta(days=9), None
)


def keys_of(engine: Engine, happens: Callable[[], Awaitable[object]]) -> KeyAdministration:
    clock = FakeClock()
    return KeyAdministration(
        keys=KeysMeanwhile(engine, happens),
        users=SqlUsers(engine),
        floors=FakeRedis(),
        audit=FakeAudit(),
        clock=clock,
        entropy=Entropy(),
        fresh=FreshLogin(SqlRefresh(engine), clock, timedelta(hours=12)),
        ceiling=Limit("key", per_hour=3600, burst=100),
    )


BY_ANN = Verified(ANN, NOW, ())
KEY_ACTS: dict[str, Callable[[KeyAdministration], Awaitable[object]]] = {
    "change": lambda keys: keys.change(BY_ANN, "k", KeyChange(active=False), SOURCE),
    "new text": lambda keys: keys.rotate(BY_ANN, "k", timedelta(), SOURCE),
    "deletion": lambda keys: keys.delete(BY_ANN, "k", SOURCE),
}


@pytest.mark.parametrize("act", KEY_ACTS.values(), ids=KEY_ACTS)
async def test_who_reaches_one_site_does_nothing_to_a_key_that_reaches_all_by_now(
    engine: Engine, act: Callable[[KeyAdministration], Awaitable[object]]
):
    stored = SqlKeys(engine)
    await SqlUsers(engine).add(user(assets=SITE))
    await stored.add(WHOLE_PLANT, check=unchecked)

    async def happens() -> None:
        lift_limits(engine)

    with pytest.raises(BeyondOwnRights):
        await act(keys_of(engine, happens))
    assert await stored.get("k") == WHOLE_PLANT


BY_OLGA = Verified(principal(), NOW, (user_stamp("olga", 1),))
OWN_ACTS: dict[str, Callable[[KeyAdministration], Awaitable[object]]] = {
    "new key": lambda keys: keys.create(BY_OLGA, KeyRequest("mine"), SOURCE),
    "active again": lambda keys: keys.change(BY_OLGA, "k", KeyChange(active=True), SOURCE),
    "new text": lambda keys: keys.rotate(BY_OLGA, "k", timedelta(), SOURCE),
}


@pytest.mark.parametrize("early", [False, True], ids=["before the write", "before the look"])
@pytest.mark.parametrize("act", OWN_ACTS.values(), ids=OWN_ACTS)
async def test_a_request_on_its_way_leaves_no_key_behind_a_new_password_that_ends_them(
    engine: Engine, act: Callable[[KeyAdministration], Awaitable[object]], *, early: bool
):
    users, stored = SqlUsers(engine), SqlKeys(engine)
    await users.add(user())
    await stored.add(WHOLE_PLANT, check=unchecked)

    async def new_password() -> None:
        await users.set_password("olga", "another hash", NOW, check=unchecked, keys_too=True)

    if early:
        await new_password()
    with pytest.raises(ChangedMeanwhile):
        await act(keys_of(engine, new_password))
    page = await stored.page(KeyFilter(), now=NOW, limit=9, cursor=None, shown=shown_to(ROOT))
    assert [(key.key_id, key.active) for key in page.items] == [("k", False)]
