"""The gateway's own routes as a whole: what they refuse, and how they are described."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain.access import Service
from services.gateway.domain.routes_table import suite_routes
from services.gateway.settings import GatewaySettings
from shared.principal import Role

ROOT = Path(__file__).parents[3]
PASSWORD = "a long walk by the river"
OWN = [route for route in suite_routes().routes if route.service is Service.GATEWAY]


@pytest.fixture
async def callers(gateway: httpx.AsyncClient, token: str) -> dict[Role, dict[str, str]]:
    """A logged-in user of each role."""
    root = {"Authorization": f"Bearer {token}"}
    headers = {}
    for role in Role:
        body = {"username": f"the-{role.value}", "password": PASSWORD, "role": role.value}
        assert (await gateway.post("/api/v1/users", json=body, headers=root)).status_code == 201
        pair = await gateway.post("/api/v1/auth/login", json={"username": body["username"], "password": PASSWORD})
        headers[role] = {"Authorization": f"Bearer {pair.json()['access_token']}"}
    return headers


async def test_the_table_and_the_routes_are_the_same(gateway: httpx.AsyncClient):
    document = (await gateway.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    undescribed = {"/metrics", "/openapi.json", "/", "/docs", "/docs/{asset}"}
    assert described == {(route.method, route.pattern) for route in OWN if route.pattern not in undescribed}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert ("x-needs" in operation) != (operation.get("security") == []), (method, path)


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"])
async def test_the_documentation_page_needs_nothing_from_elsewhere(gateway: httpx.AsyncClient, path: str):
    answer = await gateway.get(path)
    assert answer.status_code == 200
    assert "content-security-policy" in answer.headers
    if path == "/docs":
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "http" not in answer.text.replace("http-equiv", "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_browser_that_is_given_the_address_alone_is_led_to_the_documentation(
    gateway: httpx.AsyncClient, method: str
):
    answer = await gateway.request(method, "/", params={"next": "//elsewhere.example"})
    assert (answer.status_code, answer.headers["location"], answer.text) == (307, "/docs", "")


async def test_the_documentation_serves_its_own_files_only(gateway: httpx.AsyncClient):
    for asset in ("redoc.standalone.js", "..%2fcore.py", "none"):
        assert (await gateway.get(f"/docs/{asset}")).status_code == 404


UNFIT = [
    ("POST", "/api/v1/users", {"username": "Ann", "password": PASSWORD, "role": "viewer"}),
    ("POST", "/api/v1/users", {"username": "ann", "password": PASSWORD, "role": "god"}),
    ("POST", "/api/v1/users", {"username": "ann", "password": "short", "role": "viewer"}),
    ("POST", "/api/v1/users", {"username": "ann", "password": PASSWORD, "role": "viewer", "admin": True}),
    ("POST", "/api/v1/users", {"username": "ann", "password": PASSWORD, "role": "viewer", "assets": ["a..b"]}),
    ("POST", "/api/v1/users", {"username": "ann\0", "password": PASSWORD, "role": "viewer"}),
    ("POST", "/api/v1/users", []),
    ("POST", "/api/v1/api-keys", {"name": ""}),
    ("POST", "/api/v1/api-keys", {"name": "x", "scopes": ["everything"]}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_at": "2026-04-01T00:00:00"}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_at": "2001-01-01T00:00:00Z"}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_at": "2999-01-01T00:00:00Z", "expires_in_days": 1}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_in_days": 10**9}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_at": "9999-12-31T23:59:59-23:00"}),
    ("POST", "/api/v1/api-keys", {"name": "x", "expires_at": "0001-01-01T00:00:00+14:00"}),
    ("POST", "/api/v1/api-keys", {"name": "a\u0007b"}),
    ("GET", "/api/v1/users?limit=0", None),
    ("GET", "/api/v1/users?limit=201", None),
    ("GET", "/api/v1/users?cursor=%00", None),
    ("GET", "/api/v1/audit?since=yesterday", None),
    ("GET", "/api/v1/audit?since=2026-01-01T00:00:00", None),
    ("GET", "/api/v1/audit?until=9999-12-31T23:59:59-23:00", None),
    ("GET", "/api/v1/audit?cursor=abc", None),
    ("GET", "/api/v1/audit?success=perhaps", None),
    ("GET", "/api/v1/alerts?asset='%20or%201=1", None),
    ("GET", "/api/v1/alerts?severity=dire", None),
    ("GET", "/api/v1/alerts?cursor=abc", None),
    ("GET", "/api/v1/jobs?cursor=MSAg", None),
]


async def test_what_does_not_fit_the_contract_is_a_422_that_says_where(gateway: httpx.AsyncClient, token: str):
    wrong = []
    for method, path, body in UNFIT:
        answer = await gateway.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        if (answer.status_code, answer.headers["content-type"]) != (422, "application/problem+json"):
            wrong.append((method, path, body, answer.text))
        assert PASSWORD not in answer.text
    assert wrong == []


@pytest.mark.parametrize("user", ["' OR '1'='1", "%00", "x" * 500, "<script>", "\u202e"])
async def test_what_is_searched_for_is_only_text(gateway: httpx.AsyncClient, token: str, user: str):
    answer = await gateway.get("/api/v1/audit", params={"user": user}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_a_zero_byte_in_a_search_is_refused(gateway: httpx.AsyncClient, token: str):
    answer = await gateway.get("/api/v1/audit", params={"user": "\0"}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.address_unusable")


BODIES_OF_NO_USE = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[" * 50_000, "application/json"),
    (b'{"username": "\\ud800", "password": "\\ud800", "refresh_token": "\\ud800"}', "application/json"),
    (b'{"username": NaN, "password": 1}', "application/json"),
    (b"username=a", "application/x-www-form-urlencoded"),
    (b"username=%ff%00&password=", "application/x-www-form-urlencoded"),
    (b"\xff\xfe", "text/plain"),
    (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
]


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/token", "/api/v1/auth/refresh"])
async def test_no_login_body_is_an_error_of_ours(gateway: httpx.AsyncClient, path: str):
    answers = [
        await gateway.post(path, content=body, headers={"Content-Type": kind}) for body, kind in BODIES_OF_NO_USE
    ]
    assert [answer.text for answer in answers if answer.status_code not in {401, 415, 422}] == []


async def test_a_key_is_shown_once_and_listed_without_its_secret(gateway: httpx.AsyncClient, token: str):
    root = {"Authorization": f"Bearer {token}"}
    made = await gateway.post("/api/v1/api-keys", json={"name": "line 4", "scopes": ["read"]}, headers=root)
    body = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/api/v1/api-keys/{body['id']}")
    assert body["api_key"].startswith(body["prefix"])
    listed = (await gateway.get("/api/v1/api-keys", headers=root)).text
    assert body["id"] in listed
    assert body["api_key"] not in listed
    assert (await gateway.delete(f"/api/v1/api-keys/{body['id']}", headers=root)).status_code == 204
    assert (await gateway.get("/api/v1/auth/me", headers={"X-API-Key": body["api_key"]})).status_code == 401


async def test_users_are_listed_page_by_page(gateway: httpx.AsyncClient, callers: dict[Role, dict[str, str]]):
    names, cursor = [], ""
    while cursor is not None:
        path = f"/api/v1/users?limit=2{f'&cursor={cursor}' if cursor else ''}"
        page = (await gateway.get(path, headers=callers[Role.ADMIN])).json()
        names += [item["username"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert names == ["admin", "the-admin", "the-engineer", "the-operator", "the-viewer"]


async def test_a_deleted_users_name_does_not_come_back(gateway: httpx.AsyncClient, callers: dict[Role, dict[str, str]]):
    root = callers[Role.ADMIN]
    assert (await gateway.delete("/api/v1/users/the-viewer", headers=root)).status_code == 204
    assert (await gateway.get("/api/v1/users/the-viewer", headers=root)).status_code == 404
    assert (await gateway.get("/api/v1/auth/me", headers=callers[Role.VIEWER])).status_code == 401
    again = {"username": "the-viewer", "password": PASSWORD, "role": "admin"}
    assert (await gateway.post("/api/v1/users", json=again, headers=root)).status_code == 409


def test_the_first_administrator_is_made_once(settings: GatewaySettings, tmp_path: Path):
    credentials = tmp_path / "credentials.json"
    environment = {
        "FUTAGO_REDIS_URL": settings.redis_url.get_secret_value(),
        "FUTAGO_DATABASE_URL": settings.database_url.get_secret_value(),
        "GATEWAY_ACCESS_KEY_FILE": str(settings.access_key_file),
        "GATEWAY_SECOND_FACTOR_KEY_FILE": str(settings.second_factor_key_file),
        "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": str(settings.identity_private_key_file),
    }
    command = [sys.executable, "-W", "ignore", "-m", "services.gateway.bootstrap", "--credentials", str(credentials)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )

    made = run("--url", "http://127.0.0.1:1234")
    assert made.returncode == 0, made.stderr
    written = json.loads(credentials.read_text())
    assert written.keys() == {"url", "username", "password", "api_key"}
    assert (written["url"], written["username"]) == ("http://127.0.0.1:1234", "admin")
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert written["password"] not in made.stdout + made.stderr
    before = credentials.read_text()
    again = run("--username", "root")
    assert (again.returncode, credentials.read_text()) == (0, before)
    assert run("--username", "Root").returncode == 78


def test_the_first_administrators_password_is_in_no_repr(admin: FirstAdmin):
    assert admin.password not in repr(admin)
    assert admin.api_key.text not in repr(admin)
