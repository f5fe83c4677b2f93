"""What ends a session ends it on every replica within two seconds, however warm its memory of the caller is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import update

from services.gateway.adapters.tables import refresh_families
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from shared.database import open_engine, write
from tests.integration.gateway.conftest import running

PASSWORD = "a long walk by the river"
WITHIN_S = 2.0
SESSIONS = "/api/v1/users/olga/sessions"


@dataclass(frozen=True, slots=True)
class Site:
    """Two replicas, an administrator's key, and a user who is logged in and known to both."""

    first: httpx.AsyncClient
    second: httpx.AsyncClient
    root: dict[str, str]
    pair: dict[str, str]

    @property
    def olga(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.pair['access_token']}"}

    async def log_in(self, client: httpx.AsyncClient | None = None) -> dict[str, str]:
        body = {"username": "olga", "password": PASSWORD}
        answer = await (client or self.first).post("/api/v1/auth/login", json=body, headers={"User-Agent": "olga/1"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def statuses(self, headers: dict[str, str]) -> list[int]:
        return [
            (await client.get("/api/v1/auth/me", headers=headers)).status_code for client in (self.first, self.second)
        ]

    async def session_id(self) -> str:
        listed = (await self.first.get(SESSIONS, headers=self.olga)).json()["items"]
        (current,) = [item["id"] for item in listed if item["current"]]
        return current


@pytest.fixture
async def site(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[Site]:
    async with running(create_app(settings)) as first, running(create_app(settings)) as second:
        root = {"X-API-Key": admin.api_key.text}
        body = {"username": "olga", "password": PASSWORD, "role": "operator"}
        assert (await first.post("/api/v1/users", json=body, headers=root)).status_code == 201
        site = Site(first, second, root, {})
        site = Site(first, second, root, await site.log_in())
        assert await site.statuses(site.olga) == [200, 200]
        yield site


async def log_out(site: Site) -> httpx.Response:
    return await site.first.post("/api/v1/auth/logout", headers=site.olga)


async def disable(site: Site) -> httpx.Response:
    return await site.first.patch("/api/v1/users/olga", json={"active": False}, headers=site.root)


async def demote(site: Site) -> httpx.Response:
    return await site.first.patch("/api/v1/users/olga", json={"role": "viewer"}, headers=site.root)


async def delete(site: Site) -> httpx.Response:
    return await site.first.delete("/api/v1/users/olga", headers=site.root)


async def change_password(site: Site) -> httpx.Response:
    body = {"new_password": "another walk by the sea", "current_password": PASSWORD}
    return await site.first.post("/api/v1/users/olga/password", json=body, headers=site.olga)


async def kill_one(site: Site) -> httpx.Response:
    return await site.first.delete(f"{SESSIONS}/{await site.session_id()}", headers=site.root)


async def kill_all(site: Site) -> httpx.Response:
    return await site.first.delete(SESSIONS, headers=site.root)


async def end_own(site: Site) -> httpx.Response:
    return await site.first.delete(f"{SESSIONS}/{await site.session_id()}", headers=site.olga)


async def reuse(site: Site) -> httpx.Response:
    spent = {"refresh_token": site.pair["refresh_token"]}
    assert (await site.first.post("/api/v1/auth/refresh", json=spent)).status_code == 200
    assert (await site.first.post("/api/v1/auth/refresh", json=spent)).status_code == 401
    return httpx.Response(204)


ACTS = (log_out, disable, demote, delete, change_password, kill_one, kill_all, end_own, reuse)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_what_was_verified_before_ends_on_both_replicas_in_time(
    site: Site, act: Callable[[Site], Awaitable[httpx.Response]]
):
    assert (await act(site)).is_success
    done_s = time.monotonic()
    for client in (site.first, site.second):
        while (await client.get("/api/v1/auth/me", headers=site.olga)).status_code == 200:
            assert time.monotonic() - done_s < WITHIN_S, "still let in"
            await asyncio.sleep(0.02)
    # For good: what was forgotten must not be verified anew.
    assert await site.statuses(site.olga) == [401, 401]
    if act is not demote:
        body = {"refresh_token": site.pair["refresh_token"]}
        assert (await site.second.post("/api/v1/auth/refresh", json=body)).status_code == 401


async def test_keys_go_on_when_all_sessions_of_their_owner_end(site: Site):
    made = await site.first.post("/api/v1/api-keys", json={"name": "line 4"}, headers=site.olga)
    key = {"X-API-Key": made.json()["api_key"]}
    assert await site.statuses(key) == [200, 200]
    assert (await kill_all(site)).is_success
    done_s = time.monotonic()
    while await site.statuses(site.olga) != [401, 401]:
        assert time.monotonic() - done_s < WITHIN_S, "still let in"
        await asyncio.sleep(0.02)
    assert await site.statuses(key) == [200, 200]


async def test_sessions_are_listed_with_what_tells_them_apart(site: Site):
    other = await site.log_in(site.second)
    await site.second.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    listed = (await site.first.get(SESSIONS, headers=site.olga)).json()["items"]
    assert [(item["current"], item["refreshed_at"] is not None) for item in listed] == [(False, True), (True, False)]
    assert {(item["address"], item["user_agent"]) for item in listed} == {("192.0.2.7", "olga/1")}
    assert "token" not in str(listed)
    as_admin = (await site.second.get(SESSIONS, headers=site.root)).json()["items"]
    assert [item["id"] for item in as_admin] == [item["id"] for item in listed]
    first = await site.first.get(SESSIONS, params={"limit": 1}, headers=site.olga)
    rest = await site.first.get(SESSIONS, params={"cursor": first.json()["next_cursor"]}, headers=site.olga)
    assert [first.json()["items"][0]["id"], rest.json()["items"][0]["id"]] == [item["id"] for item in listed]
    assert rest.json()["next_cursor"] is None


async def test_ending_one_session_leaves_the_others(site: Site):
    other = {"Authorization": f"Bearer {(await site.log_in())['access_token']}"}
    assert (await kill_one(site)).status_code == 204
    assert await site.statuses(other) == [200, 200]
    # Asked again, it has ended still.
    listed = (await site.first.get(SESSIONS, headers=other)).json()["items"]
    assert len(listed) == 1
    assert (await site.first.delete(f"{SESSIONS}/{'0' * 32}", headers=other)).status_code == 404


async def test_a_long_user_agent_is_clipped(site: Site):
    body = {"username": "olga", "password": PASSWORD}
    await site.first.post("/api/v1/auth/login", json=body, headers={"User-Agent": b"\xe4" * 3000})
    listed = (await site.first.get(SESSIONS, headers=site.olga)).json()["items"]
    assert len(listed[0]["user_agent"]) <= 512


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_sessions_of_others_are_nobodys_business(site: Site, method: str):
    for path in ("/api/v1/users/admin/sessions", "/api/v1/users/nobody/sessions"):
        answer = await site.first.request(method, path, headers=site.olga)
        assert (answer.status_code, answer.json()["code"]) == (403, "gateway.not_allowed")
    assert (await site.first.request(method, "/api/v1/users/nobody/sessions", headers=site.root)).status_code == 404


async def test_a_key_does_not_reach_the_sessions_of_its_owner(site: Site):
    made = await site.first.post("/api/v1/api-keys", json={"name": "line 4", "scopes": ["read"]}, headers=site.olga)
    key = {"X-API-Key": made.json()["api_key"]}
    assert (await site.first.get(SESSIONS, headers=key)).status_code == 403


async def test_a_token_never_outlives_its_session(settings: GatewaySettings, admin: FirstAdmin):
    short = settings.model_copy(update={"session_life_s": 60})
    async with running(create_app(short)) as client:
        body = {"username": "admin", "password": admin.password}
        assert 58 <= (await client.post("/api/v1/auth/login", json=body)).json()["expires_in"] <= 60


async def test_ones_sessions_are_ended_soon_after_a_login_only(settings: GatewaySettings, admin: FirstAdmin):
    body = {"username": "admin", "password": admin.password}
    path = "/api/v1/users/admin/sessions"
    async with running(create_app(settings)) as client:
        old = (await client.post("/api/v1/auth/login", json=body)).json()
        engine = open_engine(settings.database_url.get_secret_value())
        with write(engine) as connection:
            long_ago = {"created_at_ms": refresh_families.c.created_at_ms - 901_000}
            connection.execute(update(refresh_families).values(long_ago))
        engine.dispose()
        again = await client.post("/api/v1/auth/refresh", json={"refresh_token": old["refresh_token"]})
        stale = {"Authorization": f"Bearer {again.json()['access_token']}"}
        refused = await client.delete(path, headers=stale)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.fresh_login_required")
        assert refused.json()["login_within_s"] == 900
        fresh = (await client.post("/api/v1/auth/login", json=body)).json()
        headers = {"Authorization": f"Bearer {fresh['access_token']}"}
        assert (await client.delete(path, headers=headers)).status_code == 204
        for ended in (stale, headers):
            assert (await client.get("/api/v1/auth/me", headers=ended)).status_code == 401


@pytest.mark.parametrize(("keys_too", "statuses"), [(False, [200, 200]), (True, [401, 401])])
async def test_a_new_password_ends_keys_made_in_a_stolen_session_where_it_is_asked_to(
    site: Site, statuses: list[int], *, keys_too: bool
):
    made = await site.first.post("/api/v1/api-keys", json={"name": "of a thief"}, headers=site.olga)
    thief = {"X-API-Key": made.json()["api_key"]}
    assert await site.statuses(thief) == [200, 200]
    body = {"new_password": "another walk by the sea", "current_password": PASSWORD, "deactivate_keys": keys_too}
    assert (await site.first.post("/api/v1/users/olga/password", json=body, headers=site.olga)).status_code == 204
    assert await site.statuses(thief) == statuses
    # The administrator's own goes on.
    assert await site.statuses(site.root) == [200, 200]
    trail = (await site.first.get("/api/v1/audit?action=user.password_changed", headers=site.root)).json()["items"]
    assert trail[0]["facts"] == ({"keys_deactivated": True} if keys_too else {})


async def test_keys_are_made_and_rotated_soon_after_a_login_only(site: Site, settings: GatewaySettings):
    key_id = (await site.first.post("/api/v1/api-keys", json={"name": "x"}, headers=site.olga)).json()["id"]
    engine = open_engine(settings.database_url.get_secret_value())
    with write(engine) as connection:
        earlier = refresh_families.c.created_at_ms - (settings.fresh_login_for_keys_s + 60) * 1000
        connection.execute(update(refresh_families).values(created_at_ms=earlier))
    engine.dispose()
    refreshed = await site.first.post("/api/v1/auth/refresh", json={"refresh_token": site.pair["refresh_token"]})
    old = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
    new = {"Authorization": f"Bearer {(await site.log_in())['access_token']}"}
    for path, body in (("/api/v1/api-keys", {"name": "y"}), (f"/api/v1/api-keys/{key_id}/rotate", {})):
        refused = await site.first.post(path, json=body, headers=old)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.fresh_login_required")
        assert (await site.first.post(path, json=body, headers=new)).status_code in {200, 201}
