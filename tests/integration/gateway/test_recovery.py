"""The way back in for an administrator who is locked out, on the machine itself."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from pydantic import SecretStr

from services.gateway import library
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin, new_admin, store_first_admin
from services.gateway.domain.recovery import NoSuchAdministrator
from services.gateway.domain.user_store import UserChange
from services.gateway.library import DatabaseUnusable, Recovered
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.database import open_engine
from shared.principal import Role
from tests.integration.conftest import Valkey
from tests.integration.gateway.conftest import running
from tests.integration.launcher.test_command import futago
from tests.unit.gateway.fakes import unchecked, user


def recover(settings: GatewaySettings, username: str = "admin", *, without_second_factor: bool = False) -> Recovered:
    return library.recover_administrator(
        settings.database_url.get_secret_value(),
        settings.redis_url.get_secret_value(),
        username,
        by="otto",
        without_second_factor=without_second_factor,
    )


async def in_thread(settings: GatewaySettings) -> Recovered:
    """As the command does: with an event loop of its own."""
    return await anyio.to_thread.run_sync(recover, settings)


async def log_in(client: httpx.AsyncClient, password: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"username": "admin", "password": password})


@asynccontextmanager
async def logged_in(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    async with running(create_app(settings)) as client:
        yield client, (await log_in(client, admin.password)).json()["access_token"]


async def test_an_administrator_gets_in_again_while_the_gateway_runs(settings: GatewaySettings, admin: FirstAdmin):
    async with logged_in(settings, admin) as (client, token):
        old = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/api/v1/auth/me", headers=old)).status_code == 200
        recovered = await in_thread(settings)
        assert recovered.everywhere
        with anyio.fail_after(2):
            while (await client.get("/api/v1/auth/me", headers=old)).status_code == 200:
                await anyio.sleep(0.05)
        assert (await log_in(client, admin.password)).status_code == 401
        fresh = {"Authorization": f"Bearer {(await log_in(client, recovered.password)).json()['access_token']}"}
        trail = await client.get("/api/v1/audit", params={"action": "system.recovered"}, headers=fresh)
        (entry,) = trail.json()["items"]
        assert (entry["user"], entry["resource"], entry["success"]) == ("local:otto", "admin", True)
        assert (await client.get("/api/v1/audit/verify", headers=fresh)).json()["intact"] is True


async def test_a_disabled_administrator_is_enabled(settings: GatewaySettings, admin: FirstAdmin):
    engine = open_engine(settings.database_url.get_secret_value())
    users = SqlUsers(engine)
    # Two, as the last one cannot be disabled.
    await users.add(user("root", Role.ADMIN))
    await users.change("admin", UserChange(active=False), SystemClock().now(), check=unchecked)
    engine.dispose()
    recovered = await in_thread(settings)
    async with running(create_app(settings)) as client:
        assert (await log_in(client, recovered.password)).status_code == 200


async def test_only_an_administrator_is_recovered_and_the_others_are_named(
    settings: GatewaySettings, admin: FirstAdmin
):
    engine = open_engine(settings.database_url.get_secret_value())
    await SqlUsers(engine).add(user("olga"))
    engine.dispose()
    for name in ("olga", "nobody", "No Name", "o\0"):
        with pytest.raises(NoSuchAdministrator, match="there are: 'admin'"):
            await anyio.to_thread.run_sync(recover, settings, name)


async def test_without_redis_it_works_and_says_what_is_left_to_do(settings: GatewaySettings, own_valkey: Valkey):
    admin = new_admin("admin")
    await store_first_admin(settings.database_url.get_secret_value(), admin, SystemClock())
    moved = settings.model_copy(update={"redis_url": SecretStr(own_valkey.url)})
    own_valkey.stop()
    recovered = await in_thread(moved)
    assert not recovered.everywhere
    assert recovered.password not in repr(recovered)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql+psycopg://u:hidden@127.0.0.1:9/x", "x"])
def test_without_the_database_nothing_is_made_up(url: str):
    kept: list[str] = []
    with pytest.raises(DatabaseUnusable) as refused:
        library.recover_administrator(url, None, "admin", by="otto", without_second_factor=False, keep=kept.append)
    assert kept == []
    assert "hidden" not in str(refused.value)


async def test_the_command_writes_the_password_for_its_owner_alone(
    settings: GatewaySettings, admin: FirstAdmin, tmp_path: Path
):
    database = settings.database_url.get_secret_value()
    environment = {"FUTAGO_DATABASE_URL": database, "FUTAGO_REDIS_URL": settings.redis_url.get_secret_value()}
    file = tmp_path / "password"
    done = await anyio.to_thread.run_sync(lambda: futago("admin", "recover", "--file", str(file), **environment))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = file.read_text().strip()
    assert password not in done.stdout + done.stderr
    before = file.read_bytes()
    mistyped = ("admin", "recover", "--username", "amdin", "--file", str(file))
    refused = await anyio.to_thread.run_sync(lambda: futago(*mistyped, **environment))
    assert (refused.returncode, file.read_bytes()) == (1, before)
    assert "there are: 'admin'" in refused.stderr
    async with running(create_app(settings)) as client:
        assert (await log_in(client, password)).status_code == 200
