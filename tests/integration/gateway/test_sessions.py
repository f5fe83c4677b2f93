"""Logging in and out, as it holds on every replica, with and without Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin, new_admin, store_first_admin
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from tests.integration.conftest import Valkey
from tests.integration.gateway.conftest import running, serve
from tests.integration.gateway.upstream import Upstream

PASSWORD = "a long walk by the river"


@pytest.fixture
async def replicas(
    settings: GatewaySettings, admin: FirstAdmin
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two gateways over the same database and Redis."""
    async with running(create_app(settings)) as first, running(create_app(settings)) as second:
        yield first, second


async def login(client: httpx.AsyncClient, username: str, password: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"username": username, "password": password})


def bearer(pair: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair.json()['access_token']}"}


async def add_user(client: httpx.AsyncClient, headers: dict[str, str], username: str, role: str = "operator") -> None:
    body = {"username": username, "password": PASSWORD, "role": role}
    answer = await client.post("/api/v1/users", json=body, headers=headers)
    assert answer.status_code == 201, answer.text


async def me(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/api/v1/auth/me", headers=headers)).status_code


async def test_login_gives_a_pair_that_clients_of_both_contracts_can_read(
    gateway: httpx.AsyncClient, admin: FirstAdmin
):
    pair = await login(gateway, "admin", admin.password)
    body = pair.json()
    assert body["token"] == body["access_token"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 600)
    said = (await gateway.get("/api/v1/auth/me", headers=bearer(pair))).json()
    assert (said["user"], said["role"], said["method"]) == ("admin", "admin", "password")


async def test_the_password_form_of_oauth_gives_the_same(gateway: httpx.AsyncClient, admin: FirstAdmin):
    form = {"username": "admin", "password": admin.password, "grant_type": "password"}
    answer = await gateway.post("/api/v1/auth/token", data=form)
    assert await me(gateway, bearer(answer)) == 200


@pytest.mark.parametrize(
    "credentials", [("admin", "wrong"), ("nobody", "wrong"), ("Ädmin", "x"), ("admin", "x" * 2000)]
)
async def test_wrong_credentials_are_one_answer(gateway: httpx.AsyncClient, credentials: tuple[str, str]):
    answer = await login(gateway, *credentials)
    assert (answer.status_code, answer.json()["code"]) == (401, "gateway.wrong_credentials")
    assert answer.json()["detail"] == "wrong user name or password"


async def test_guessing_is_slowed_and_another_user_is_not(gateway: httpx.AsyncClient, admin: FirstAdmin):
    statuses = [(await login(gateway, "victim", f"guess {attempt}")).status_code for attempt in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = await login(gateway, "victim", "guess")
    assert int(refused.headers["retry-after"]) > 1
    assert (await login(gateway, "admin", admin.password)).status_code == 200


async def test_logout_holds_on_the_other_replica_at_once(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin
):
    first, second = replicas
    pair = await login(first, "admin", admin.password)
    assert [await me(client, bearer(pair)) for client in replicas] == [200, 200]
    assert (await first.post("/api/v1/auth/logout", headers=bearer(pair))).status_code == 204
    assert [await me(client, bearer(pair)) for client in replicas] == [401, 401]
    refreshed = await second.post("/api/v1/auth/refresh", json={"refresh_token": pair.json()["refresh_token"]})
    assert refreshed.status_code == 401


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin
):
    first, second = replicas
    pair = await login(first, "admin", admin.password)
    old = {"refresh_token": pair.json()["refresh_token"]}
    renewed = await first.post("/api/v1/auth/refresh", json=old)
    assert (renewed.status_code, await me(second, bearer(renewed))) == (200, 200)
    assert (await second.post("/api/v1/auth/refresh", json=old)).status_code == 401
    assert await me(second, bearer(renewed)) == 401
    newest = {"refresh_token": renewed.json()["refresh_token"]}
    assert (await first.post("/api/v1/auth/refresh", json=newest)).status_code == 401


@pytest.mark.parametrize("text", ["", "\0", "futr_", "futr_" + "é" * 43, "x" * 60_000])
async def test_what_is_no_refresh_token_is_a_401_whatever_it_is(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], text: str
):
    answer = await replicas[0].post("/api/v1/auth/refresh", json={"refresh_token": text})
    assert (answer.status_code, answer.json()["code"]) == (401, "gateway.refresh_rejected")


async def test_of_two_refreshes_at_once_one_at_most_succeeds(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin
):
    pair = await login(replicas[0], "admin", admin.password)
    body = {"refresh_token": pair.json()["refresh_token"]}
    answers = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=body) for client in replicas * 4))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


@pytest.mark.parametrize("change", [{"active": False}, {"role": "viewer"}])
async def test_a_changed_user_is_seen_by_every_replica_at_once(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin, change: dict[str, object]
):
    first, second = replicas
    root = bearer(await login(first, "admin", admin.password))
    await add_user(first, root, "olga")
    olga = bearer(await login(second, "olga", PASSWORD))
    assert [await me(client, olga) for client in replicas] == [200, 200]
    assert (await first.patch("/api/v1/users/olga", json=change, headers=root)).status_code == 200
    assert [await me(client, olga) for client in replicas] == [401, 401]


async def test_a_new_password_ends_every_session(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin
):
    first, second = replicas
    root = bearer(await login(first, "admin", admin.password))
    await add_user(first, root, "olga")
    pair = await login(second, "olga", PASSWORD)
    wrong = {"new_password": "another walk by the sea", "current_password": "not this"}
    path = "/api/v1/users/olga/password"
    assert (await second.post(path, json=wrong, headers=bearer(pair))).status_code == 401
    right = wrong | {"current_password": PASSWORD}
    assert (await second.post(path, json=right, headers=bearer(pair))).status_code == 204
    assert [await me(client, bearer(pair)) for client in replicas] == [401, 401]
    old = {"refresh_token": pair.json()["refresh_token"]}
    assert (await first.post("/api/v1/auth/refresh", json=old)).status_code == 401
    assert (await login(first, "olga", right["new_password"])).status_code == 200


async def test_a_rotated_or_deactivated_key_stops_on_every_replica(
    replicas: tuple[httpx.AsyncClient, httpx.AsyncClient], admin: FirstAdmin
):
    first, second = replicas
    root = bearer(await login(first, "admin", admin.password))
    made = (await first.post("/api/v1/api-keys", json={"name": "line 4", "scopes": ["read"]}, headers=root)).json()
    old = {"X-API-Key": made["api_key"]}
    assert [await me(client, old) for client in replicas] == [200, 200]
    path = f"/api/v1/api-keys/{made['id']}"
    rotated = (await first.post(f"{path}/rotate", headers=root)).json()
    new = {"X-API-Key": rotated["api_key"]}
    assert [await me(client, old) for client in replicas] == [401, 401]
    assert [await me(client, new) for client in replicas] == [200, 200]
    assert (await second.patch(path, json={"active": False}, headers=root)).json()["active"] is False
    refused = await first.get("/api/v1/auth/me", headers=new)
    assert (refused.status_code, refused.json()["code"]) == (401, "gateway.api_key_deactivated")


async def test_a_rotation_with_overlap_keeps_the_old_secret_for_a_while(gateway: httpx.AsyncClient, token: str):
    root = {"Authorization": f"Bearer {token}"}
    made = (await gateway.post("/api/v1/api-keys", json={"name": "line 4"}, headers=root)).json()
    path = f"/api/v1/api-keys/{made['id']}/rotate"
    rotated = (await gateway.post(path, json={"overlap_s": 60}, headers=root)).json()
    assert [await me(gateway, {"X-API-Key": key}) for key in (made["api_key"], rotated["api_key"])] == [200, 200]


async def test_the_limit_of_a_caller_is_shared_by_the_replicas(settings: GatewaySettings, admin: FirstAdmin):
    tight = settings.model_copy(update={"max_requests_per_hour": 60, "burst_requests": 5})
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(running(create_app(tight))) for _ in range(2)]
        key = {"X-API-Key": admin.api_key.text}
        answers = [await clients[index % 2].get("/api/v1/auth/me", headers=key) for index in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=5;w=300'
    assert answers[0].headers["ratelimit"] == '"caller";r=4;t=60'
    assert answers[-1].headers["ratelimit"].startswith('"caller";r=0;')
    assert 50 <= int(answers[-1].headers["retry-after"]) <= 60


@pytest.mark.parametrize("hang", [False, True], ids=["refuses", "hangs"])
async def test_while_redis_is_away_only_who_was_verified_before_goes_on_predicting(
    settings: GatewaySettings, own_valkey: Valkey, hang: bool
):
    admin = new_admin("admin")
    await store_first_admin(settings.database_url.get_secret_value(), admin, SystemClock())
    async with serve(Upstream()) as url, AsyncExitStack() as stack:
        changed = settings.model_copy(
            update={
                "twin_url": url,
                "redis_url": SecretStr(own_valkey.url),
                "local_requests_per_hour": 60,
                "local_burst_requests": 5,
            }
        )
        first = await stack.enter_async_context(running(create_app(changed)))
        second = await stack.enter_async_context(running(create_app(changed)))
        pair = await login(first, "admin", admin.password)
        assert (await first.post("/api/v1/twin/predict", json={}, headers=bearer(pair))).status_code == 202
        if hang:
            own_valkey.stall()
            stack.callback(own_valkey.resume)
        else:
            own_valkey.stop()
        predictions = [await first.post("/api/v1/twin/predict", json={}, headers=bearer(pair)) for _ in range(6)]
        assert [answer.status_code for answer in predictions] == [202] * 5 + [429]
        stranger = await second.post("/api/v1/twin/predict", json={}, headers=bearer(pair))
        refused = [
            stranger,
            await login(first, "admin", admin.password),
            await first.post("/api/v1/auth/refresh", json={"refresh_token": pair.json()["refresh_token"]}),
            await first.post("/api/v1/auth/logout", headers=bearer(pair)),
            await first.get("/api/v1/users", headers=bearer(pair)),
            await first.get("/api/v1/jobs", headers=bearer(pair)),
        ]
        assert [answer.status_code for answer in refused] == [503] * 6
        assert all("retry-after" in answer.headers for answer in refused)
        assert "futago_gateway_without_redis_total 5.0" in (await first.get("/metrics")).text
