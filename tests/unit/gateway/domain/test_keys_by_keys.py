"""What an API key that manages keys does with the keys of its owner, who may do more than it."""

from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta

import pytest

from services.gateway.domain.addresses import parse_network
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.credentials import Verified, user_stamp
from services.gateway.domain.errors import BeyondOwnRights
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.key_requests import KeyChange, KeyFilter, KeyRequest
from services.gateway.domain.rate_limit import Limit
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

ROOT = principal("root", Role.ADMIN)
NARROW = principal("root", Role.ADMIN, assets=("acme.osaka",), method="api_key")
MANAGER = principal("root", Role.ADMIN, method="api_key", permissions=frozenset({Permission.MANAGE_KEYS}))
PLANT, LINE, OFFICE = map(parse_network, ("10.20.0.0/16", "10.20.4.0/24", "10.30.0.0/16"))
NO_OVERLAP = timedelta()


@pytest.fixture
def keys() -> KeyAdministration:
    clock = FakeClock()
    return KeyAdministration(
        keys=FakeKeys(),
        users=FakeUsers([user("root", Role.ADMIN)]),
        floors=FakeRedis(),
        audit=FakeAudit(),
        clock=clock,
        entropy=Entropy(),
        fresh=FreshLogin(FakeFamilies(), clock, timedelta(hours=12)),
        ceiling=Limit("key", per_hour=3600, burst=100),
    )


def verified(caller: Principal) -> Verified:
    return Verified(caller, NOW, (user_stamp(caller.subject, 1),))


def bound(caller: Principal) -> Verified:
    """The caller with a key that counts in the plant only."""
    return Verified(caller, NOW, (user_stamp(caller.subject, 1),), networks=(PLANT,))


async def made(keys: KeyAdministration, asked: KeyRequest) -> ApiKey:
    key, _ = await keys.create(verified(ROOT), asked, SOURCE)
    return key


async def refused(*attempts: Coroutine[object, object, object]) -> None:
    for attempt in attempts:
        with pytest.raises(BeyondOwnRights):
            await attempt


async def test_a_key_of_one_site_leaves_keys_alone_that_reach_further(keys: KeyAdministration):
    everywhere = await made(keys, KeyRequest("everywhere"))
    here = await made(keys, KeyRequest("here", assets=("acme.osaka.r1",)))
    caller, key_id = verified(NARROW), everywhere.key_id
    await refused(
        keys.get(caller, key_id),
        keys.change(caller, key_id, KeyChange(active=False), SOURCE),
        keys.change(caller, key_id, KeyChange(assets=("acme.osaka",)), SOURCE),
        keys.rotate(caller, key_id, NO_OVERLAP, SOURCE),
        keys.delete(caller, key_id, SOURCE),
    )
    assert await keys.get(verified(ROOT), key_id) == everywhere
    assert (await keys.page(NARROW, KeyFilter(), limit=9, cursor=None)).items == (here,)
    assert not (await keys.change(caller, here.key_id, KeyChange(active=False), SOURCE)).active


async def test_a_key_lets_none_count_again_for_longer_or_in_more_places_that_may_do_more(keys: KeyAdministration):
    wide = await made(keys, KeyRequest("wide", assets=("acme.b", "acme.a"), networks=(LINE,), expires_in_days=9))
    manager, key_id = verified(MANAGER), wide.key_id
    ended = await keys.change(manager, key_id, KeyChange(active=False, name="ended"), SOURCE)
    await refused(
        keys.change(manager, key_id, KeyChange(active=True), SOURCE),
        keys.change(manager, key_id, KeyChange(expires_at=NOW + timedelta(days=10)), SOURCE),
        keys.change(manager, key_id, KeyChange(networks=()), SOURCE),
        keys.change(manager, key_id, KeyChange(networks=(LINE, OFFICE)), SOURCE),
        keys.change(manager, key_id, KeyChange(assets=()), SOURCE),
        keys.change(manager, key_id, KeyChange(assets=("acme.b", "acme.c")), SOURCE),
    )
    assert await keys.get(verified(ROOT), key_id) == ended
    await keys.change(manager, key_id, KeyChange(assets=("acme.b.r2", "acme.b.r1")), SOURCE)
    await keys.change(manager, key_id, KeyChange(expires_at=NOW + timedelta(days=8)), SOURCE)
    assert (await keys.change(verified(ROOT), key_id, KeyChange(active=True), SOURCE)).active


async def test_no_key_puts_off_its_own_end(keys: KeyAdministration):
    manager = await made(keys, KeyRequest("manager", scopes=frozenset(Permission), expires_in_days=9))
    itself = replace(verified(principal("root", Role.ADMIN, method="api_key")), key_id=manager.key_id)
    await refused(keys.change(itself, manager.key_id, KeyChange(expires_at=NOW + timedelta(days=10)), SOURCE))
    assert await keys.get(verified(ROOT), manager.key_id) == manager
    sooner = await keys.change(itself, manager.key_id, KeyChange(expires_at=NOW + timedelta(days=8)), SOURCE)
    later = await keys.change(verified(ROOT), manager.key_id, KeyChange(expires_at=NOW + timedelta(days=10)), SOURCE)
    assert (sooner.expires_at, later.expires_at) == (NOW + timedelta(days=8), NOW + timedelta(days=10))


async def test_a_key_that_counts_in_one_network_hands_out_none_that_count_elsewhere(keys: KeyAdministration):
    caller = bound(principal("root", Role.ADMIN, method="api_key"))
    anywhere = await made(keys, KeyRequest("anywhere"))
    line = await made(keys, KeyRequest("line", networks=(LINE,)))
    await refused(
        keys.create(caller, KeyRequest("x", networks=(OFFICE,)), SOURCE),
        keys.create(caller, KeyRequest("x", networks=(LINE, parse_network("2001:db8::/32"))), SOURCE),
        keys.change(caller, line.key_id, KeyChange(networks=()), SOURCE),
        keys.rotate(caller, anywhere.key_id, NO_OVERLAP, SOURCE),
    )
    assert (await keys.create(caller, KeyRequest("x"), SOURCE))[0].networks == (PLANT,)
    assert (await keys.change(caller, anywhere.key_id, KeyChange(networks=(LINE,)), SOURCE)).networks == (LINE,)
    await keys.rotate(caller, line.key_id, NO_OVERLAP, SOURCE)
