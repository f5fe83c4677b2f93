"""API keys and external identities in real databases, and keys over HTTP on two gateways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from services.gateway.adapters.key_expiry_watch import KeyExpiryWatch
from services.gateway.adapters.key_uses import KeyUses
from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.sql_identities import SqlIdentities
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain import api_keys
from services.gateway.domain.addresses import parse_network
from services.gateway.domain.alerts import AlertFilter
from services.gateway.domain.api_keys import ApiKey, KeyState
from services.gateway.domain.delegation import shown_to
from services.gateway.domain.errors import IdentityMissing
from services.gateway.domain.external_identity import Vouched
from services.gateway.domain.key_errors import TooManyKeys
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.rate_limit import Limit
from services.gateway.settings import GatewaySettings
from shared.database import open_engine
from shared.principal import Permission, Role
from tests.integration.gateway.conftest import running
from tests.unit.gateway.fakes import FakeClock, principal, unchecked, user

NOW = datetime(2026, 4, 1, tzinfo=UTC)
HERE = "192.0.2.7"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    users = SqlUsers(engine)
    for name in ("olga", "vera"):
        await users.add(user(name))
    yield engine
    engine.dispose()


def key(number: int = 0, **changes: object) -> ApiKey:
    minted = api_keys.mint(bytes(range(number, number + 48)))
    year = NOW + timedelta(days=365)
    scopes = frozenset({Permission.READ})
    plain = ApiKey(minted.key_id, "x", "olga", minted.digest, None, None, scopes, (), True, 1, NOW, year, None)
    return replace(plain, **changes)


async def test_networks_and_limit_of_a_key_are_kept(engine: Engine):
    keys = SqlKeys(engine)
    networks = (parse_network("10.20.0.0/16"), parse_network("2001:db8::/32"))
    wide, plain = key(1, networks=networks, limit=Limit("key", 3_600_000_000, 1_000_000)), key(2)
    for one in (wide, plain):
        await keys.add(one, check=unchecked)
        assert await keys.get(one.key_id) == one
    changed = await keys.replace(replace(wide, networks=(), limit=None), check=unchecked)
    assert (changed.networks, changed.limit) == ((), None)


FOUND: tuple[tuple[KeyFilter, set[str]], ...] = (
    (KeyFilter(), {"olga's", "vera's", "ended", "off", "off and ended", "soon"}),
    (KeyFilter(owner="vera"), {"vera's"}),
    (KeyFilter(state=KeyState.ACTIVE), {"olga's", "vera's", "soon"}),
    (KeyFilter(state=KeyState.EXPIRED), {"ended"}),
    (KeyFilter(state=KeyState.DEACTIVATED), {"off", "off and ended"}),
    (KeyFilter(state=KeyState.ACTIVE, expires_before=NOW + timedelta(days=30)), {"soon"}),
    (KeyFilter(expires_before=NOW + timedelta(days=30)), {"ended", "off and ended", "soon"}),
)


async def test_keys_are_found_by_owner_state_and_end(engine: Engine):
    keys = SqlKeys(engine)
    rows = (
        key(1, name="olga's"),
        key(2, name="vera's", owner="vera"),
        key(3, name="ended", expires_at=NOW),
        key(4, name="off", active=False),
        key(5, name="off and ended", active=False, expires_at=NOW),
        key(6, name="soon", expires_at=NOW + timedelta(days=29)),
    )
    for row in rows:
        await keys.add(row, check=unchecked)
    for wanted, found in FOUND:
        page = await keys.page(wanted, now=NOW, limit=99, cursor=None, shown=shown_to(principal("root", Role.ADMIN)))
        assert {row.name for row in page.items} == found, wanted


async def test_of_many_keys_asked_for_at_once_no_owner_gets_more_than_the_most(engine: Engine):
    keys = SqlKeys(engine)
    await keys.add(key(0, owner="vera"), check=unchecked, most=3)
    asked = [keys.add(key(number), check=unchecked, most=3) for number in range(1, 9)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers if answer is not None] == [TooManyKeys] * 5
    await keys.add(key(9), check=unchecked)
    page = await keys.page(
        KeyFilter(owner="olga"), now=NOW, limit=99, cursor=None, shown=shown_to(principal("root", Role.ADMIN))
    )
    assert len(page.items) == 4


async def test_of_uses_on_two_replicas_the_latest_is_kept_and_a_change_does_not_undo_it(engine: Engine):
    keys, other = SqlKeys(engine), SqlKeys(engine)
    first = key()
    await keys.add(first, check=unchecked)
    early, late = FakeClock(), FakeClock()
    late.advance(minutes=5)
    uses, later_uses = KeyUses(keys, early), KeyUses(other, late)
    for one in (uses, later_uses):
        one.note(first.key_id)
    await later_uses.store()
    await uses.store()
    assert (await keys.get(first.key_id)).last_used_at == late.now()
    # Made from what was read before the use.
    await keys.replace(replace(first, name="y"), check=unchecked)
    assert (await keys.get(first.key_id)).last_used_at == late.now()


async def test_each_end_of_a_key_is_told_once_whichever_replica_sees_it(engine: Engine):
    clock, keys = FakeClock(), SqlKeys(engine)
    alerts = SqlAlerts(engine, clock, None)
    near, far = key(1, expires_at=NOW + timedelta(days=60)), key(2)
    for row in (near, far, key(3, expires_at=NOW + timedelta(days=60), active=False)):
        await keys.add(row, check=unchecked)

    def watch() -> KeyExpiryWatch:
        return KeyExpiryWatch(keys, alerts.take, lead=timedelta(days=30), clock=clock, registry=CollectorRegistry())

    async def told() -> list[str]:
        page = await alerts.page(AlertFilter(), limit=99, cursor=None)
        return [str(stored.alert.facts["expires_at"])[:10] for stored in page.items]

    first, second = watch(), watch()
    await first.look()
    assert await told() == []
    clock.advance(days=46)
    await asyncio.gather(first.look(), second.look())
    await first.look()
    assert await told() == ["2026-05-31"]
    await keys.replace(replace(near, expires_at=NOW + timedelta(days=100)), check=unchecked)
    clock.advance(days=40)
    await second.look()
    assert sorted(await told()) == ["2026-05-31", "2026-07-10"]


async def test_an_identity_that_is_seen_by_all_at_once_is_one(engine: Engine):
    identities = SqlIdentities(engine)
    vouched = Vouched("sso", "u1", "Olga", Role.OPERATOR, (), NOW)
    seen = await asyncio.gather(*(identities.seen(vouched, NOW) for _ in range(8)))
    assert len({one.identity_id for one in seen}) == 1
    promoted = await identities.seen(replace(vouched, role=Role.ADMIN), NOW + timedelta(seconds=1))
    assert (promoted.role, promoted.first_seen_at, promoted.generation) == (Role.ADMIN, NOW, 1)
    disabled = await identities.set_active(promoted.identity_id, active=False)
    again = await identities.seen(vouched, NOW + timedelta(hours=1))
    assert (disabled.generation, again.generation, again.active) == (2, 2, False)
    assert again.last_seen_at == NOW + timedelta(hours=1)
    assert len((await identities.page(limit=9, cursor=None)).items) == 1
    with pytest.raises(IdentityMissing):
        await identities.set_active("none", active=True)


Replicas = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def replicas(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[Replicas]:
    async with running(create_app(settings)) as first, running(create_app(settings)) as second:
        yield first, second


async def statuses(replicas: Replicas, secret: str) -> list[int]:
    return [(await one.get("/api/v1/auth/me", headers={"X-API-Key": secret})).status_code for one in replicas]


async def until(replicas: Replicas, secret: str, expected: list[int], within_s: float) -> None:
    deadline_s = asyncio.get_running_loop().time() + within_s
    while (found := await statuses(replicas, secret)) != expected:
        assert asyncio.get_running_loop().time() < deadline_s, found
        await asyncio.sleep(0.05)


async def test_after_a_rotation_both_secrets_count_until_the_overlap_ends_or_the_key_does(
    replicas: Replicas, admin: FirstAdmin
):
    first, root = replicas[0], {"X-API-Key": admin.api_key.text}
    made = (await first.post("/api/v1/api-keys", json={"name": "a", "owner": "admin"}, headers=root)).json()
    path = f"/api/v1/api-keys/{made['id']}"
    assert await statuses(replicas, made["api_key"]) == [200, 200]

    rotated = (await first.post(f"{path}/rotate", json={"overlap_s": 1}, headers=root)).json()
    assert rotated["id"] == made["id"]
    assert await statuses(replicas, rotated["api_key"]) == [200, 200]
    await until(replicas, made["api_key"], [401, 401], within_s=3.0)
    assert await statuses(replicas, rotated["api_key"]) == [200, 200]

    newest = (await first.post(f"{path}/rotate", json={"overlap_s": 600}, headers=root)).json()
    for secret in (rotated["api_key"], newest["api_key"]):
        assert await statuses(replicas, secret) == [200, 200]
    answer = await first.patch(path, json={"active": False}, headers=root)
    assert (answer.status_code, answer.json()["state"]) == (200, "deactivated")
    for secret in (rotated["api_key"], newest["api_key"]):
        await until(replicas, secret, [401, 401], within_s=2.0)


async def test_a_key_comes_from_its_networks_and_on_its_own_limit(gateway: httpx.AsyncClient, admin: FirstAdmin):
    root = {"X-API-Key": admin.api_key.text}
    body = {
        "name": "a",
        "owner": "admin",
        "networks": ["10.1.2.3/8", "10.0.0.0/8"],
        "limit": {"requests_per_hour": 60, "burst": 2},
    }
    made = (await gateway.post("/api/v1/api-keys", json=body, headers=root)).json()
    assert (made["networks"], made["limit"]) == (["10.0.0.0/8"], {"requests_per_hour": 60, "burst": 2})
    own, path = {"X-API-Key": made["api_key"]}, f"/api/v1/api-keys/{made['id']}"

    refused = await gateway.get("/api/v1/auth/me", headers=own)
    assert (refused.status_code, refused.json()["code"]) == (403, "gateway.address_not_allowed")
    await gateway.patch(path, json={"networks": [HERE]}, headers=root)
    answers = [await gateway.get("/api/v1/auth/me", headers=own) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["ratelimit-policy"].startswith('"key";q=')
    changed = (await gateway.patch(path, json={"limit": None, "networks": []}, headers=root)).json()
    assert (changed["networks"], changed["limit"]) == ([], None)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"networks": ["10.0.0.0/8", "plant"]}, "/networks/1"),
        ({"networks": ["10.0.0.0/8"] * 51}, "/networks"),
        ({"limit": {"requests_per_hour": 0, "burst": 1}}, "/limit/requests_per_hour"),
        ({"limit": {"requests_per_hour": 10}}, "/limit/burst"),
        ({"limit": {"requests_per_hour": 10, "burst": 2_000_000}}, "/limit/burst"),
    ],
)
async def test_a_network_or_limit_that_is_none_is_pointed_at(
    gateway: httpx.AsyncClient, admin: FirstAdmin, change: dict[str, object], pointer: str
):
    root = {"X-API-Key": admin.api_key.text}
    answer = await gateway.post("/api/v1/api-keys", json={"name": "a"} | change, headers=root)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json()["errors"]]) == (422, [pointer])


async def test_keys_are_listed_by_owner_state_and_end(gateway: httpx.AsyncClient, admin: FirstAdmin):
    root = {"X-API-Key": admin.api_key.text}
    await gateway.post("/api/v1/api-keys", json={"name": "short", "expires_in_days": 5}, headers=root)

    async def names(query: str) -> list[str]:
        return [row["name"] for row in (await gateway.get(f"/api/v1/api-keys?{query}", headers=root)).json()["items"]]

    assert len(await names("state=active&owner=admin")) == 2
    assert await names("expires_within_days=30") == ["short"]
    assert await names("owner=nobody") == []
    assert await names("state=expired") == []
    assert (await gateway.get("/api/v1/api-keys?state=lost", headers=root)).status_code == 422


WRONG: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "mistyped": lambda key: [("X-API-Key", key[:-1] + ("0" if key[-1] != "0" else "1"))],
    "unknown": lambda _: [("X-API-Key", api_keys.mint(bytes(48)).text)],
    "wrong secret": lambda key: [("X-API-Key", api_keys.mint(bytes(48), key[4:16]).text)],
    "too long": lambda key: [("X-API-Key", key * 100)],
    "far too long": lambda key: [("X-API-Key", key * 200)],
    "empty": lambda _: [("X-API-Key", "")],
    "twice": lambda key: [("X-API-Key", key), ("X-API-Key", key)],
    "beside a token": lambda key: [("X-API-Key", key), ("Authorization", "Bearer x")],
    "as a token": lambda key: [("Authorization", f"Bearer {key}")],
    "as a password": lambda key: [("Authorization", f"Basic {key}")],
    "in a cookie": lambda key: [("Cookie", f"X-API-Key={key}")],
}


async def test_a_key_that_is_wrong_or_elsewhere_is_a_401(gateway: httpx.AsyncClient, admin: FirstAdmin):
    for name, headers in WRONG.items():
        answer = await gateway.get("/api/v1/auth/me", headers=headers(admin.api_key.text))
        assert answer.status_code == 401, name
        assert "www-authenticate" in answer.headers, name
    answer = await gateway.get("/api/v1/auth/me", headers=[(b"X-API-Key", "fut_ключ".encode())])
    assert answer.status_code == 401


async def test_a_key_in_the_query_opens_nothing_and_is_written_nowhere(
    settings: GatewaySettings, admin: FirstAdmin, capfd: pytest.CaptureFixture[str]
):
    secret = admin.api_key.text
    async with running(create_app(settings)) as client:
        for name in ("api_key", "x-api-key", "access_token"):
            assert (await client.get(f"/api/v1/auth/me?{name}={secret}")).status_code == 401
    # What was accessed is written by the time a gateway has ended.
    async with running(create_app(settings)) as client:
        audit = (await client.get("/api/v1/audit?limit=200", headers={"X-API-Key": secret})).text
    assert '"/api/v1/auth/me"' in audit
    assert secret[16:] not in audit
    written = capfd.readouterr()
    assert secret[16:] not in written.out + written.err


async def test_keys_go_with_their_owner(gateway: httpx.AsyncClient, token: str):
    root = {"Authorization": f"Bearer {token}"}
    body = {"username": "olga", "password": "a long walk by the river", "role": "engineer"}
    assert (await gateway.post("/api/v1/users", json=body, headers=root)).status_code == 201
    made = (await gateway.post("/api/v1/api-keys", json={"name": "k", "owner": "olga"}, headers=root)).json()
    key = {"X-API-Key": made["api_key"]}
    assert (await gateway.get("/api/v1/auth/me", headers=key)).status_code == 200
    assert (await gateway.delete("/api/v1/users/olga", headers=root)).status_code == 204
    assert (await gateway.get("/api/v1/auth/me", headers=key)).status_code == 401
    listed = (await gateway.get("/api/v1/api-keys", params={"owner": "olga"}, headers=root)).json()
    assert listed["items"] == []
    gone = await gateway.delete(f"/api/v1/api-keys/{made['id']}", headers=root)
    assert (gone.status_code, gone.json()["code"]) == (404, "gateway.api_key_missing")
