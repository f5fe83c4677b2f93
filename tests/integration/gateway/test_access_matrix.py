"""Every route of the suite, asked by everybody: who gets in is what is written down, and nothing else."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from services.gateway.app import create_app
from services.gateway.bootstrap import new_admin, store_first_admin
from services.gateway.domain.access import Entry
from services.gateway.domain.claims import TOKEN_TYPE
from services.gateway.domain.routes_table import suite_routes
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Permission, Role
from tests.contract.served import COMMITTED
from tests.integration.conftest import Valkey
from tests.integration.gateway.conftest import make_settings, serve
from tests.integration.gateway.upstream import answer
from tests.security.expected_access import EXPECTED, EXPECTED_PERMISSIONS, OPEN, OWN, expected_to_pass

PASSWORD = "a long walk by the river"
TABLE = suite_routes()
JSON_TYPE = [(b"content-type", b"application/json")]
# Said by the door, and again by the routes; other reasons for a 403 are those of a caller who was let in.
NOT_ALLOWED = frozenset({"gateway.not_allowed", "auth.not_allowed"})
Headers = dict[str, str]
Routes = set[tuple[str, str]]


@dataclass
class Service:
    """Stands where a service would, with its real document, and notes what reached it."""

    name: str
    reached: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/openapi.json":
            await answer(send, 200, (COMMITTED / f"{self.name}.json").read_bytes(), JSON_TYPE)
            return
        if scope["path"] != "/readyz":
            self.reached.append((scope["method"], scope["path"]))
        while (await receive()).get("more_body"):
            pass
        await answer(send, 200, b"{}", JSON_TYPE)


@dataclass(frozen=True)
class Suite:
    """A gateway on a port of its own, its services, and everybody who may try."""

    client: httpx.AsyncClient
    services: tuple[Service, ...]
    roles: dict[Role, Headers]
    strangers: dict[str, Headers]
    predicting_key: Headers

    async def lets_in(self, method: str, pattern: str, headers: Headers) -> bool:
        """Ask for the route; `True` if its own code, or its service, was reached."""
        path = pattern.replace("{", "no-such-").replace("}", "")
        before = sum(len(service.reached) for service in self.services)
        request = self.client.build_request(method, path, headers=headers)
        for _ in range(5):
            # Only the head of the answer: a stream of events has no end.
            got = await self.client.send(request, stream=True)
            # A process that was held up finds an answer of Redis too late, says so, and is to be asked again.
            if got.status_code != 503 or "retry-after" not in got.headers:
                break
            await got.aclose()
            await asyncio.sleep(0.2)
        refused = got.status_code == 401
        # Where everybody manages what is their own, a 403 is said of what is not, after the door.
        if got.status_code == 403 and EXPECTED[method, pattern] != OWN:
            refused = json.loads(await got.aread())["code"] in NOT_ALLOWED
        await got.aclose()
        assert headers or not refused or got.status_code == 401, f"{method} {pattern}: nobody is asked who they are"
        reached = sum(len(service.reached) for service in self.services) > before
        assert not (refused and reached), f"{method} {pattern} was refused and yet reached its service"
        assert got.status_code < 500, f"{method} {pattern}: {got.status_code}"
        return not refused


@contextlib.asynccontextmanager
async def running_suite(settings: GatewaySettings) -> AsyncIterator[Suite]:
    """Start the gateway with its services, and make everybody who tries."""
    admin = new_admin("admin")
    assert await store_first_admin(settings.database_url.get_secret_value(), admin, SystemClock())
    twin, anomaly, planner = services = (Service("twin"), Service("anomaly"), Service("planner"))
    async with serve(twin) as twin_url, serve(anomaly) as anomaly_url, serve(planner) as planner_url:
        urls = {"twin_url": twin_url, "anomaly_url": anomaly_url, "planner_url": planner_url}
        app = create_app(settings.model_copy(update=urls))
        async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            root = await logged_in(client, "admin", admin.password)
            roles = {role: await made(client, root, f"the-{role.value}", role) for role in Role}
            key = await client.post("/api/v1/api-keys", json={"name": "k", "scopes": ["predict"]}, headers=root)
            disabled = await made(client, root, "disabled", Role.ADMIN)
            off = await client.patch("/api/v1/users/disabled", json={"active": False}, headers=root)
            assert (key.status_code, off.status_code) == (201, 200)
            strangers = {
                "anonymous": {},
                "a disabled administrator": disabled,
                "an administrator whose token has expired": expired(settings, root),
            }
            yield Suite(client, services, roles, strangers, {"X-API-Key": key.json()["api_key"]})


@dataclass(frozen=True)
class Outcome:
    """Who was let in where."""

    documented: Routes
    by_role: dict[Role, Routes]
    by_stranger: dict[str, Routes]
    by_key: Routes


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Outcome:
    """Everybody has asked for everything, once for all tests."""
    folder = tmp_path_factory.mktemp("matrix")
    return asyncio.run(ask_for_everything(make_settings(folder, f"sqlite:///{folder / 'test.db'}", valkey.url)))


async def ask_for_everything(settings: GatewaySettings) -> Outcome:
    # The ends of sessions come last.
    routes = sorted(EXPECTED, key=lambda route: route[1].endswith("/logout"))
    async with running_suite(settings) as suite:

        async def passed(headers: Headers) -> Routes:
            return {route for route in routes if await suite.lets_in(*route, headers)}

        return Outcome(
            documented=await documented(suite),
            by_role={role: await passed(headers) for role, headers in suite.roles.items()},
            by_stranger={who: await passed(headers) for who, headers in suite.strangers.items()},
            by_key=await passed(suite.predicting_key),
        )


async def made(client: httpx.AsyncClient, root: Headers, username: str, role: Role) -> Headers:
    body = {"username": username, "password": PASSWORD, "role": role.value}
    assert (await client.post("/api/v1/users", json=body, headers=root)).status_code == 201
    return await logged_in(client, username, PASSWORD)


async def logged_in(client: httpx.AsyncClient, username: str, password: str) -> Headers:
    pair = await client.post("/api/v1/auth/login", json={"username": username, "password": password})
    assert pair.status_code == 200, pair.text
    return {"Authorization": f"Bearer {pair.json()['access_token']}"}


def expired(settings: GatewaySettings, headers: Headers) -> Headers:
    """The same token as it would have been an hour ago, signed with the gateway's own key."""
    payload = headers["Authorization"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims |= {"iat": claims["iat"] - 3600, "exp": claims["exp"] - 3600}
    signer = TokenSigner(settings.access_key_file.read_bytes())
    return {"Authorization": f"Bearer {signer.sign(claims, typ=TOKEN_TYPE)}"}


async def documented(suite: Suite) -> Routes:
    """Every operation of the merged document, by the pattern that the table has for its path."""
    document = (await suite.client.get("/openapi.json")).json()
    found = set()
    for path, item in document["paths"].items():
        routes = TABLE.find(tuple(path.replace("{", "").replace("}", "").strip("/").split("/")))
        found |= {(method.upper(), routes[method.upper()].pattern) for method in item}
    return found


def test_the_table_the_document_and_what_is_written_down_name_the_same_routes(outcome: Outcome):
    undocumented = {("GET", path) for path in ("/metrics", "/openapi.json", "/", "/docs", "/docs/{asset}")}
    assert outcome.documented == EXPECTED.keys() - undocumented
    assert {(route.method, route.pattern) for route in TABLE.routes} == EXPECTED.keys()


@pytest.mark.parametrize("role", Role)
def test_every_route_lets_in_exactly_who_is_expected(outcome: Outcome, role: Role):
    assert outcome.by_role[role] == {route for route in EXPECTED if expected_to_pass(*route, role)}


def test_nobody_without_a_credential_that_counts_gets_in_where_one_is_needed(outcome: Outcome):
    # An open route does not look at credentials; one that does not count is no hindrance there.
    opened = {route for route, least in EXPECTED.items() if least == OPEN}
    assert outcome.by_stranger == dict.fromkeys(outcome.by_stranger, opened)
    assert len(outcome.by_stranger) == 3


def test_a_key_reaches_what_its_one_scope_names_and_not_what_its_owner_may(outcome: Outcome):
    predictions = {(route.method, route.pattern) for route in TABLE.routes if route.needs is Permission.PREDICT}
    own = {route for route, least in EXPECTED.items() if least in {OPEN, OWN}}
    assert outcome.by_key == predictions | own


def test_the_permissions_of_a_role_are_those_written_down():
    assert ROLE_PERMISSIONS == EXPECTED_PERMISSIONS


@pytest.mark.parametrize("route", TABLE.routes, ids=lambda route: f"{route.method} {route.pattern}")
def test_what_a_route_needs_is_held_by_exactly_the_roles_written_down(route: Any):
    least = EXPECTED[route.method, route.pattern]
    if least in {OPEN, OWN}:
        assert route.needs is (Entry.OPEN if least == OPEN else Entry.SIGNED_IN)
    else:
        holders = {role for role, held in EXPECTED_PERMISSIONS.items() if route.needs in held}
        assert holders == {role for role in Role if expected_to_pass(route.method, route.pattern, role)}
