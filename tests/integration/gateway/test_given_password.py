"""Passwords that were given: the first administrator's, out of a platform's secret or made up, and what follows."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

from services.gateway import bootstrap
from services.gateway.adapters import sql_first_admin
from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain.errors import AuditTrailBroken
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.database import open_engine, read
from tests.conftest import KeyPair
from tests.integration.gateway.conftest import running

PASSWORD = "a password from a secret"


@pytest.fixture
def make(tmp_path: Path, sqlite_url: str, key_pair: KeyPair, monkeypatch: pytest.MonkeyPatch):
    for name in ("ACCESS_KEY_FILE", "IDENTITY_PRIVATE_KEY_FILE", "SECOND_FACTOR_KEY_FILE"):
        monkeypatch.setenv(f"GATEWAY_{name}", str(tmp_path / "unused.pem"))
    monkeypatch.setenv("FUTAGO_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("FUTAGO_REDIS_URL", "redis://127.0.0.1")
    file = tmp_path / "password"

    def run(password: str, username: str = "ada") -> None:
        file.write_text(password + "\n")
        monkeypatch.setattr(sys, "argv", ["bootstrap", "--username", username, "--password-file", str(file)])
        bootstrap.main()

    return run


def rows(url: str, query: str) -> list[tuple[str, ...]]:
    engine = open_engine(url)
    try:
        with read(engine) as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


def test_the_administrator_gets_the_password_of_the_file_and_no_key(make: Callable[..., None], sqlite_url: str):
    make(PASSWORD)
    ((username, role, hashed),) = rows(sqlite_url, "SELECT username, role, password_hash FROM users")
    assert (username, role) == ("ada", "admin")
    assert PasslibHasher()._verify(PASSWORD, hashed)
    assert rows(sqlite_url, "SELECT key_id FROM api_keys") == []


def test_a_second_run_changes_nothing(make: Callable[..., None], sqlite_url: str, capsys: pytest.CaptureFixture[str]):
    make(PASSWORD)
    before = rows(sqlite_url, "SELECT username, password_hash FROM users")
    make("another password of the secret", "eve")
    assert rows(sqlite_url, "SELECT username, password_hash FROM users") == before
    assert "there are users already" in capsys.readouterr().err


@pytest.mark.parametrize("password", ["", "too short", "x" * 2000])
def test_a_password_nobody_should_have_is_refused_and_not_shown(
    make: Callable[..., None], password: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        make(password)
    shown = capsys.readouterr().err
    assert "15 characters or more" in shown
    assert not password or password not in shown


async def test_where_it_is_asked_for_a_given_password_only_serves_to_set_another(
    settings: GatewaySettings, admin: FirstAdmin
):
    strict = settings.model_copy(update={"require_password_change": True})
    path, own = "/api/v1/users/admin/password", "of my own making, at last"
    async with running(create_app(strict)) as client:

        async def log_in(password: str) -> dict[str, str]:
            body = {"username": "admin", "password": password}
            pair = await client.post("/api/v1/auth/login", json=body)
            return {"Authorization": f"Bearer {pair.json()['access_token']}"}

        headers = await log_in(admin.password)
        assert (await client.get("/api/v1/auth/me", headers=headers)).json()["duty"] == "change_password"
        for method, route in (("GET", "/api/v1/users"), ("POST", "/api/v1/api-keys"), ("GET", "/api/v1/events")):
            refused = await client.request(method, route, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "auth.password_change_required")
        # A machine goes on: the key is no password.
        assert admin.api_key is not None
        key = {"X-API-Key": admin.api_key.text}
        assert (await client.get("/api/v1/users", headers=key)).status_code == 200
        same = {"new_password": admin.password, "current_password": admin.password}
        assert (await client.post(path, json=same, headers=headers)).status_code == 422
        other = {"new_password": own, "current_password": admin.password}
        assert (await client.post(path, json=other, headers=headers)).status_code == 204
        assert (await client.get("/api/v1/users", headers=await log_in(own))).status_code == 200


async def test_the_first_administrator_is_made_with_the_trail_of_it_or_not_at_all(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
):
    migrate_gateway(sqlite_url)

    def broken(*_: object) -> NoReturn:
        raise AuditTrailBroken

    with monkeypatch.context() as patch:
        patch.setattr(sql_first_admin, "append_in", broken)
        with pytest.raises(AuditTrailBroken):
            await bootstrap.store_first_admin(sqlite_url, bootstrap.new_admin("ada"), SystemClock())
    assert rows(sqlite_url, "SELECT username FROM users") == rows(sqlite_url, "SELECT key_id FROM api_keys") == []
    assert await bootstrap.store_first_admin(sqlite_url, bootstrap.new_admin("ada"), SystemClock())
    assert rows(sqlite_url, "SELECT action FROM audit_entries") == [("system.bootstrapped",)]
