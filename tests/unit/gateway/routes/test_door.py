"""Where every request comes in, with stand-ins for everything behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from services.gateway.domain import api_keys
from services.gateway.domain.access import AccessTable, Route, Service
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.audit import Event
from services.gateway.domain.credentials import Authenticator, Stamp
from services.gateway.domain.doorman import Allowance, Doorman, Limits
from services.gateway.domain.errors import UpstreamAway, UpstreamBroken
from services.gateway.domain.floors import KnownFloors
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.routes_table import suite_routes
from services.gateway.domain.upstreams import Handover, Upstream
from services.gateway.routes.callers import ADDRESS_KEY
from services.gateway.routes.door import Door, Observers, ProxyRules
from shared.errors import AppError
from shared.http.identity import PRINCIPAL_KEY
from shared.http.metrics import ServiceMetrics
from shared.http.middleware import RequestContext
from shared.http.request_log import RequestLog
from shared.principal import Permission, Role
from tests.unit.gateway.fakes import (
    NOW,
    FakeClock,
    FakeCounter,
    FakeFamilies,
    FakeGate,
    FakeKeys,
    FakeRedis,
    FakeTokens,
    FakeUsers,
    user,
)

MINTED = api_keys.mint(bytes(range(48)))
SCOPES = frozenset({Permission.READ, Permission.PREDICT, Permission.TRAIN})
KEY = ApiKey(
    MINTED.key_id, "line 4", "olga", MINTED.digest, None, None, SCOPES, (), True, 1, NOW, NOW + timedelta(days=9), None
)
WITH_KEY = {"X-API-Key": MINTED.text}


class OwnRoutes:
    def __init__(self) -> None:
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get(PRINCIPAL_KEY)
        said = {"caller": caller and caller.subject, "address": scope[ADDRESS_KEY]}
        await JSONResponse(said, self.status)(scope, receive, send)


class FakeForwarder:
    def __init__(self) -> None:
        self.handed_over: list[tuple[Service, Handover]] = []
        self.error: Exception | None = None
        self.hangs = False

    async def forward(self, upstream: Upstream, handover: Handover, scope: Scope, receive: Receive, send: Send) -> None:
        self.handed_over.append((upstream.service, handover))
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()
        await JSONResponse({"from": upstream.service})(scope, receive, send)


class CountingTable(AccessTable):
    """The suite's table; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(suite_routes().routes)
        self.asked = 0

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Route]:
        self.asked += 1
        return super().find(segments)


class World:
    def __init__(self, upload_timeout_s: float = 30.0) -> None:
        self.table = CountingTable()
        self.clock = FakeClock()
        self.redis = FakeRedis()
        self.floors = KnownFloors(lambda: None)
        self.forwarder = FakeForwarder()
        self.own_routes = OwnRoutes()
        self.events: list[Event] = []
        self.keys_used: list[str] = []
        self.without_redis = 0
        self.allowances: list[Allowance] = []
        self.refusals: list[AppError] = []
        self.metrics = ServiceMetrics("gateway")
        doorman = Doorman(
            authenticator=Authenticator(
                tokens=FakeTokens(),
                users=FakeUsers([user(role=Role.ENGINEER)]),
                families=FakeFamilies(),
                keys=FakeKeys([KEY]),
                clock=self.clock,
            ),
            gate=FakeGate(self.redis),
            limits=Limits(
                caller=Limit("caller", 3600, 10),
                heavy=Limit("heavy", 3600, 10),
                address=Limit("address", 3600, 10),
                local=Limit("local", 3600, 5),
                refused=Limit("refused", 3600, 5),
            ),
            local=FakeCounter(),
            failures=FakeCounter(),
        )
        door = Door(
            self.own_routes,
            table=self.table,
            doorman=doorman,
            forwarder=self.forwarder,
            vouch=lambda caller, audience: f"{caller.subject} for {audience}",
            upstreams={
                service: Upstream(service, "http://x", service.value, 1.0)
                for service in (Service.TWIN, Service.ANOMALY, Service.PLANNER)
            },
            rules=ProxyRules(100, 1000, deadline_s=9.0, answer_timeout_s=3.0, upload_timeout_s=upload_timeout_s),
            observers=Observers(
                self.events.append, self.keys_used.append, self._count, self.allowances.append, self.refusals.append
            ),
            trusted_proxies=(ip_network("10.0.0.0/8"),),
            floors=self.floors,
            clock=self.clock,
        )
        self.door = door
        transport = httpx.ASGITransport(
            RequestContext(door, self.metrics, RequestLog("gateway")), client=("10.0.0.1", 1)
        )
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway")

    def _count(self) -> None:
        self.without_redis += 1


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    async with world.client:
        yield world


async def test_a_request_for_a_service_goes_to_it_with_who_calls(world: World):
    answer = await world.client.post("/api/v1/twin/predict", headers=WITH_KEY | {"X-Request-ID": "r-7"})
    assert (answer.status_code, answer.json()) == (200, {"from": "twin"})
    assert world.forwarder.handed_over == [(Service.TWIN, Handover("olga for twin", "r-7", 100, 3.0, bool))]


@pytest.mark.parametrize(
    "end",
    [
        lambda world: world.floors.raise_to(Stamp("user:olga", 2), 0.0),
        lambda world: world.floors.raise_to(Stamp(f"key:{KEY.key_id}", 2), 0.0),
        lambda world: world.floors.have_missed(),
        lambda world: world.clock.advance(days=9),
    ],
)
async def test_who_was_let_in_counts_until_the_credential_ends_or_its_end_may_have_been_missed(
    world: World, end: Callable[[World], None]
):
    await world.client.get("/api/v1/planner/plans/p/progress", headers=WITH_KEY)
    ((_, handover),) = world.forwarder.handed_over
    world.floors.raise_to(Stamp("user:otto", 2), 0.0)
    assert handover.still_counts()
    end(world)
    assert not handover.still_counts()


async def test_why_a_caller_is_turned_away_is_told_to_the_metrics(world: World):
    await world.client.post("/api/v1/twin/predict", headers=WITH_KEY)
    assert world.refusals == []
    await world.client.post("/api/v1/twin/predict", headers={"X-API-Key": "made up"})
    await world.client.post("/api/v1/twin/predict")
    world.redis.requests_allowed = 0
    await world.client.post("/api/v1/auth/login")
    assert [error.code for error in world.refusals] == [
        "gateway.api_key_invalid",
        "gateway.credentials_missing",
        "gateway.too_many_requests",
    ]


async def test_an_upload_may_be_larger_and_take_longer(world: World):
    for path in ("/api/v1/anomaly/uploads", "/api/v1/twin/predict"):
        await world.client.post(path, headers=WITH_KEY)
    handovers = [handover for _, handover in world.forwarder.handed_over]
    assert [(each.body_limit_bytes, each.answer_timeout_s) for each in handovers] == [(1000, 30.0), (100, 3.0)]


async def test_an_upload_that_never_ends_is_ended():
    world = World(upload_timeout_s=0.01)
    world.forwarder.hangs = True
    async with world.client, asyncio.timeout(5.0):
        answer = await world.client.post("/api/v1/anomaly/uploads", headers=WITH_KEY)
    assert (answer.status_code, answer.json()["code"]) == (504, "request.deadline_exceeded")


async def test_the_gateways_own_routes_learn_who_calls_and_from_where(world: World):
    headers = WITH_KEY | {"X-Forwarded-For": "6.6.6.6, 198.51.100.4"}
    answer = await world.client.get("/api/v1/auth/me", headers=headers)
    assert answer.json() == {"caller": "olga", "address": "198.51.100.4"}


async def test_an_open_route_needs_nobody(world: World):
    answer = await world.client.get("/healthz")
    assert (answer.status_code, answer.json()["caller"]) == (200, None)
    assert "ratelimit" not in answer.headers
    assert world.events == []


@pytest.mark.parametrize("path", ["/api", "/api/v1/twin", "/admin", "/api/v2/x"])
async def test_what_is_not_in_the_table_is_nowhere_for_anybody(world: World, path: str):
    answer = await world.client.get(f"http://gateway{path}", headers=WITH_KEY)
    assert (answer.status_code, answer.json()["code"]) == (404, "gateway.path_unknown")
    assert world.forwarder.handed_over == []


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"])
async def test_a_method_that_a_path_does_not_take_is_a_405_that_says_which(world: World, method: str):
    answer = await world.client.request(method, "/api/v1/twin/predict", headers=WITH_KEY)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "gateway.credentials_missing"),
        ({"Authorization": "Bearer made-up"}, "gateway.token_rejected"),
        ({"X-API-Key": "fut_made-up"}, "gateway.api_key_invalid"),
        (WITH_KEY | {"Authorization": "Bearer x"}, "gateway.credentials_ambiguous"),
        ({"X-Futago-Identity": "forged"}, "gateway.credentials_missing"),
    ],
)
async def test_whoever_is_not_known_stays_out_and_is_on_the_trail(world: World, headers: dict[str, str], code: str):
    answer = await world.client.post("/api/v1/twin/predict", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.forwarder.handed_over == []
    assert [(event.user, event.success, event.facts) for event in world.events] == [
        ("anonymous", False, {"status": 401})
    ]


async def test_who_may_not_is_told_what_it_needs(world: World):
    answer = await world.client.post("/api/v1/planner/plans", headers=WITH_KEY)
    assert (answer.status_code, answer.json()["needs"]) == (403, "plan")
    assert world.forwarder.handed_over == []
    assert [(event.user, event.success) for event in world.events] == [("olga", False)]


async def test_who_is_too_fast_is_told_when_to_come_back(world: World):
    world.redis.requests_allowed = 1
    answers = [await world.client.get("/api/v1/auth/me", headers=WITH_KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["ratelimit"] == '"caller";r=0;t=1'
    assert (answers[1].headers["retry-after"], answers[1].headers["ratelimit-policy"]) == ("7", '"caller";q=10;w=10')


async def test_every_access_is_on_the_trail_with_its_outcome(world: World):
    await world.client.get("/api/v1/twin/models/caf%C3%A9", headers=WITH_KEY | {"X-Request-ID": "r-7"})
    (event,) = world.events
    assert (event.user, event.action, event.resource) == (
        "olga",
        "GET /api/v1/twin/models/{model}",
        "/api/v1/twin/models/café",
    )
    assert (event.success, event.source.request_id, event.source.address) == (True, "r-7", "10.0.0.1")
    assert event.facts == {"status": 200, "key": KEY.key_id}
    assert world.keys_used == [KEY.key_id]


@pytest.mark.parametrize(("error", "status"), [(UpstreamAway("twin"), 503), (UpstreamBroken("twin"), 502)])
async def test_a_service_that_fails_is_a_problem_with_a_time_to_retry(world: World, error: Exception, status: int):
    world.forwarder.error = error
    answer = await world.client.get("/api/v1/twin/models", headers=WITH_KEY)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert (answer.headers["retry-after"], "ratelimit" in answer.headers) == ("1", True)
    assert not world.events[0].success


async def test_without_redis_known_callers_predict_and_are_counted(world: World):
    await world.client.post("/api/v1/twin/predict", headers=WITH_KEY)
    world.redis.away = True
    assert (await world.client.post("/api/v1/twin/predict", headers=WITH_KEY)).status_code == 200
    refused = await world.client.get("/api/v1/auth/me", headers=WITH_KEY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert world.without_redis == 1


async def test_a_body_with_two_lengths_ends_the_connection(world: World):
    headers = WITH_KEY | {"Content-Length": "3", "Transfer-Encoding": "chunked"}
    answer = await world.client.post("/api/v1/twin/predict", headers=headers, content=b"abc")
    assert (answer.status_code, answer.headers["connection"]) == (422, "close")
    assert world.forwarder.handed_over == []


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/twin/models", "/nowhere"])
async def test_every_answer_is_data_and_not_a_page(world: World, path: str):
    answer = await world.client.get(path, headers=WITH_KEY)
    assert answer.headers["x-content-type-options"] == "nosniff"
    # OWASP ASVS 5.0, 3.4.3 to 3.4.6; `base-uri` and `frame-ancestors` do not follow from `default-src`.
    assert answer.headers["content-security-policy"] == "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


async def test_metrics_know_routes_and_never_paths(world: World):
    for path in ("/api/v1/twin/models/a", "/api/v1/twin/models/b", "/nowhere/1", "/nowhere/2"):
        await world.client.get(path, headers=WITH_KEY)
    shown = world.metrics.exposition().decode()
    assert 'route="/api/v1/twin/models/{model}",service="gateway",status="200"} 2.0' in shown
    assert 'route="unmatched",service="gateway",status="404"} 2.0' in shown
    assert "nowhere" not in shown


async def test_a_websocket_is_closed_before_it_opens(world: World):
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await world.door({"type": "websocket", "path": "/api/v1/twin/predict", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("status", "written"), [(200, []), (429, [("anonymous", False, {"status": 429})])])
async def test_a_login_that_is_turned_away_is_on_the_trail(world: World, status: int, written: list[object]):
    world.own_routes.status = status
    await world.client.post("/api/v1/auth/login")
    assert [(event.user, event.success, event.facts) for event in world.events] == written


@pytest.mark.parametrize(("letters", "asked"), [(10, 1), (1_000, 2)])
async def test_a_path_is_read_once_and_a_long_one_is_not_kept(world: World, letters: int, asked: int):
    for _ in range(2):
        await world.client.get(f"/api/v1/twin/models/{'a' * letters}", headers=WITH_KEY)
    assert world.table.asked == asked
