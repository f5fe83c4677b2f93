"""The audit trail over HTTP: what is written, who may read it, how it is read."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import text

from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain.audit import Event, Source
from services.gateway.settings import GatewaySettings
from shared.database import open_engine, write
from tests.integration.gateway.conftest import running

# Nobody has seen either; they only look like it.
KEY_TEXT = "fut_" + "Ab3" * 20
TOKEN_TEXT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


async def test_every_access_is_on_the_trail_with_who_what_and_where_from(settings: GatewaySettings, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text}
    async with running(create_app(settings)) as client:
        await client.get("/api/v1/twin/models", headers=key | {"X-Request-ID": "read-1"})
        await client.get("/api/v1/twin/models", headers={"X-API-Key": "fut_nonsense", "X-Request-ID": "read-2"})
        await client.post(
            "/api/v1/auth/login", json={"username": "eve", "password": "x"}, headers={"X-Request-ID": "l"}
        )
    # The first gateway has stopped, and with it all that was still to be written has been.
    async with running(create_app(settings)) as client:
        found = (await client.get("/api/v1/audit?limit=10", headers=key)).json()["items"]
        by_request = {entry["request_id"]: entry for entry in found}
        read = by_request["read-1"]
        assert (read["user"], read["action"]) == ("admin", "GET /api/v1/twin/models")
        assert (read["resource"], read["address"], read["success"]) == ("/api/v1/twin/models", "192.0.2.7", False)
        assert read["facts"] == {"status": 503, "key": admin.api_key.key_id}
        assert (by_request["read-2"]["user"], by_request["read-2"]["facts"]) == ("anonymous", {"status": 401})
        assert (by_request["l"]["user"], by_request["l"]["action"]) == ("eve", "auth.login")
        for query, expected in (
            ("user=eve", {"l"}),
            ("success=true", {"bootstrap"}),
            ("action=auth.login", {"l"}),
            ("action=auth.*", {"l"}),
            ("request_id=read-1", {"read-1"}),
            ("address=local", {"bootstrap"}),
        ):
            items = (await client.get(f"/api/v1/audit?{query}", headers=key)).json()["items"]
            assert {entry["request_id"] for entry in items if entry["request_id"] in by_request} == expected
        first = (await client.get("/api/v1/audit?limit=2", headers=key)).json()
        rest = await client.get(f"/api/v1/audit?limit=200&cursor={first['next_cursor']}", headers=key)
        sequences = [entry["sequence"] for entry in first["items"] + rest.json()["items"]]
        assert sequences == list(range(sequences[0], 0, -1))
        assert (await client.get("/api/v1/audit/verify", headers=key)).json()["intact"] is True


async def test_refusals_of_callers_and_of_strangers_who_try_a_few_times_are_entries_each(
    settings: GatewaySettings, admin: FirstAdmin
):
    root = {"X-API-Key": admin.api_key.text}
    async with running(create_app(settings)) as client:
        body = {"name": "reader", "scopes": ["read"]}
        made = (await client.post("/api/v1/api-keys", json=body, headers=root)).json()
        for _ in range(3):
            refused = await client.get("/api/v1/audit", headers={"X-API-Key": made["api_key"]})
            assert refused.status_code == 403
        for number in range(50):
            refused = await client.get("/api/v1/audit", headers={"X-Request-ID": f"stranger-{number}"})
            assert refused.status_code == 401
    async with running(create_app(settings)) as client:
        items = (await client.get("/api/v1/audit?action=GET /api/v1/audit&limit=200", headers=root)).json()["items"]
        assert [entry["facts"]["status"] for entry in items if entry["user"] == "admin"] == [403] * 3
        strangers = [entry["request_id"] for entry in items if entry["user"] == "anonymous"]
        assert strangers == [f"stranger-{number}" for number in reversed(range(50))]


async def test_no_query_key_or_token_gets_into_the_trail(settings: GatewaySettings, admin: FirstAdmin):
    root = {"X-API-Key": admin.api_key.text}
    async with running(create_app(settings)) as client:
        for path in (
            f"/api/v1/twin/models/{KEY_TEXT}?token={TOKEN_TEXT}",
            f"/api/v1/twin/models/{TOKEN_TEXT}",
            f"/api/v1/jobs/{admin.api_key.text}?api_key={admin.api_key.text}",
        ):
            await client.get(path, headers=root)
        await client.post("/api/v1/auth/login", json={"username": TOKEN_TEXT, "password": "a secret word of mine"})
    async with running(create_app(settings)) as client:
        trail = (await client.get("/api/v1/audit/export", headers=root)).text
        for secret in (KEY_TEXT, TOKEN_TEXT, admin.api_key.text, admin.password, "a secret word", "token=", "api_key="):
            assert secret not in trail
        assert "/api/v1/twin/models/***" in trail


async def test_the_trail_is_downloaded_as_lines_oldest_first(
    gateway: httpx.AsyncClient, settings: GatewaySettings, admin: FirstAdmin
):
    root = {"X-API-Key": admin.api_key.text}
    engine = open_engine(settings.database_url.get_secret_value())
    start = datetime(2026, 4, 1, tzinfo=UTC)
    events = [
        Event(start + timedelta(minutes=n), "ann", "GET /x", f"/x/{n}", True, Source("192.0.2.1", f"r{n}"))
        for n in range(1200)
    ]
    SqlAudit(engine).append(events)
    engine.dispose()
    answer = await gateway.get("/api/v1/audit/export?user=ann&since=2026-04-01T00:10:00Z", headers=root)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["resource"] for line in lines] == [f"/x/{n}" for n in range(10, 1200)]
    listed = (await gateway.get("/api/v1/audit?user=ann&limit=1", headers=root)).json()["items"][0]
    assert lines[-1] == listed
    assert (await gateway.get("/api/v1/audit/export")).status_code == 401


async def test_an_entry_changed_in_the_database_is_told_with_its_sequence(
    gateway: httpx.AsyncClient, settings: GatewaySettings, admin: FirstAdmin
):
    root = {"X-API-Key": admin.api_key.text}
    assert (await gateway.get("/api/v1/audit/verify", headers=root)).json()["intact"] is True
    engine = open_engine(settings.database_url.get_secret_value())
    with write(engine) as connection:
        connection.execute(text("DROP TRIGGER audit_entries_no_update"))
        connection.execute(text("UPDATE audit_entries SET username = 'eve' WHERE sequence = 1"))
    engine.dispose()
    found = (await gateway.get("/api/v1/audit/verify", headers=root)).json()
    assert (found["intact"], found["first_bad_sequence"], found["next_cursor"]) == (False, 1, None)


async def test_a_cursor_that_no_verification_gave_out_is_refused(gateway: httpx.AsyncClient, admin: FirstAdmin):
    root = {"X-API-Key": admin.api_key.text}
    for cursor in ("x", "MTox", "%00", "Og", "LTE6MDowOjA6YTpiOg"):
        answer = await gateway.get("/api/v1/audit/verify", params={"cursor": cursor}, headers=root)
        assert (answer.status_code, answer.json()["code"]) == (422, "gateway.invalid_query")


async def test_an_act_that_cannot_be_recorded_does_not_happen(
    gateway: httpx.AsyncClient, settings: GatewaySettings, admin: FirstAdmin
):
    root = {"X-API-Key": admin.api_key.text}
    vera = {"username": "vera", "password": "a long walk by the river", "role": "viewer"}
    engine = open_engine(settings.database_url.get_secret_value())
    with write(engine) as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    refused = await gateway.post("/api/v1/users", json=vera, headers=root)
    assert (refused.status_code, refused.json()["code"]) == (503, "gateway.audit_trail_broken")
    assert (await gateway.get("/api/v1/users/vera", headers=root)).status_code == 404
    with write(engine) as connection:
        connection.execute(text("DROP TRIGGER full"))
    assert (await gateway.post("/api/v1/users", json=vera, headers=root)).status_code == 201
    engine.dispose()


async def test_no_user_is_called_what_the_trail_calls_strangers(gateway: httpx.AsyncClient, admin: FirstAdmin):
    for name in ("anonymous", "system"):
        body = {"username": name, "password": "a long walk by the river", "role": "viewer"}
        answer = await gateway.post("/api/v1/users", json=body, headers={"X-API-Key": admin.api_key.text})
        assert answer.status_code == 409


async def test_a_running_gateway_exports_its_trail(settings: GatewaySettings, admin: FirstAdmin, tmp_path: Path):
    path = tmp_path / "audit.jsonl"
    exporting = settings.model_copy(update={"audit_export_urls": (f"file://{path}",)})
    async with running(create_app(exporting)) as client:
        await client.get("/api/v1/auth/me", headers={"X-API-Key": admin.api_key.text, "X-Request-ID": "exported"})
        async with asyncio.timeout(10):
            while not path.exists() or "exported" not in path.read_text():
                await asyncio.sleep(0.05)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
