import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.requests import ClientDisconnect

from shared.http.app import build_app
from shared.http.metrics import ServiceMetrics
from shared.http.middleware import RequestContext
from shared.http.request_log import RequestLog
from shared.internal_token import HEADER, IdentityVerifier, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Principal, Role
from tests.unit.shared.demo_service import TankEmpty, client_of, demo_app, demo_settings


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(demo_app()) as client:
        yield client


async def test_a_request_is_answered_under_the_id_it_brought(client: httpx.AsyncClient):
    answer = await client.post("/echo/a", json={"value": 1.5}, headers={"X-Request-ID": "shift-7.42"})
    assert (answer.status_code, answer.json()) == (200, {"value": 1.5, "note": ""})
    assert answer.headers["x-request-id"] == "shift-7.42"


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a\tb", "ü", 'a"b'])
async def test_an_unsafe_request_id_is_replaced(client: httpx.AsyncClient, offered: str):
    answer = await client.get("/greeting", headers={"X-Request-ID": offered.encode()})
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_bug_is_a_500_that_tells_nothing_and_a_stack_trace_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    answer = await client.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "division" not in answer.text
    assert "ZeroDivisionError" in capsys.readouterr().out + caplog.text


async def test_a_request_past_its_deadline_is_a_504(client: httpx.AsyncClient):
    answer = await client.get("/slow")
    assert (answer.status_code, answer.json()["code"]) == (504, "request.deadline_exceeded")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "request.not_found"), ("GET", "/echo/a", 405, "request.method_not_allowed")],
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
):
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_metrics_count_by_route_template_not_by_path(client: httpx.AsyncClient):
    for name in ("a", "b"):
        await client.post(f"/echo/{name}", json={"value": 1})
    await client.get("/no/such/path")
    await client.request("BREW", "/greeting")
    text = (await client.get("http://demo/metrics")).text
    echoes = (
        'futago_http_requests_total{method="POST",route="/api/v1/demo/echo/{name}",service="demo",status="200"} 2.0'
    )
    assert echoes in text
    assert 'method="GET",route="unmatched",service="demo",status="404"} 1.0' in text
    assert 'method="OTHER"' in text
    assert "/no/such/path" not in text


async def test_metrics_can_be_switched_off():
    async with client_of(demo_app(enable_monitoring=False)) as client:
        assert (await client.get("http://demo/metrics")).status_code == 404


async def test_readiness_names_what_is_missing():
    async def fails() -> None:
        raise TankEmpty

    async def works() -> None:
        return None

    app = build_app(
        settings=demo_settings(),
        title="Demo",
        routers=[],
        objects=[],
        identity=None,
        metrics=ServiceMetrics("demo"),
        probes={"tank": fails, "pump": works},
    )
    async with client_of(app) as client:
        ready, alive = await client.get("http://demo/readyz"), await client.get("http://demo/healthz")
        without_tank = await client.get("http://demo/readyz?exclude=tank&exclude=unheard_of")
        without_pump = await client.get("http://demo/readyz?exclude=pump")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"tank": "demo.tank_empty", "pump": "ok"})
    assert alive.json() == {"status": "alive", "service": "demo"}
    assert (without_tank.status_code, without_tank.json()["checks"]) == (200, {"tank": "excluded", "pump": "ok"})
    assert without_pump.status_code == 503


async def test_a_draining_process_is_alive_and_not_ready():
    app = demo_app()
    app.readiness.draining = True
    async with client_of(app) as client:
        assert (await client.get("http://demo/readyz")).json()["status"] == "draining"
        assert (await client.get("http://demo/readyz?exclude=tank")).status_code == 503
        assert (await client.get("http://demo/healthz")).status_code == 200


@pytest.fixture
def signer(key_pair: Any, clock: Any) -> InternalTokenSigner:
    return InternalTokenSigner(TokenSigner(key_pair.private), clock)


@pytest.fixture
async def guarded(key_pair: Any, clock: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(demo_app(IdentityVerifier([key_pair.public], audience="demo", clock=clock))) as client:
        yield client


async def test_a_service_refuses_whom_the_gateway_does_not_vouch_for(guarded: httpx.AsyncClient):
    for headers in ({}, {HEADER: "forged"}, {"Authorization": "Bearer x"}):
        answer = await guarded.get("/greeting", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.invalid_token")
    for path in ("healthz", "readyz", "openapi.json", "metrics"):
        assert (await guarded.get(f"http://demo/{path}")).status_code == 200


@pytest.mark.parametrize(
    ("role", "assets", "asset", "status"),
    [
        (Role.ENGINEER, (), None, 200),
        (Role.OPERATOR, (), None, 403),
        (Role.ENGINEER, ("acme",), "acme.r1", 200),
        (Role.ENGINEER, ("acme",), "other", 403),
        (Role.ENGINEER, ("acme",), None, 403),
    ],
)
async def test_permission_and_asset_are_checked_again_in_the_service(
    guarded: httpx.AsyncClient,
    signer: InternalTokenSigner,
    role: Role,
    assets: tuple[str, ...],
    asset: str | None,
    status: int,
):
    token = signer.sign(Principal("anna", role, ROLE_PERMISSIONS[role], assets), "demo")
    answer = await guarded.post("/train", params={"asset": asset} if asset else {}, headers={HEADER: token})
    assert answer.status_code == status


async def test_the_contract_documents_our_errors_and_not_the_frameworks(client: httpx.AsyncClient):
    document = (await client.get("http://demo/openapi.json")).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    echo = document["paths"]["/api/v1/demo/echo/{name}"]["post"]["responses"]
    assert echo["422"]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert echo["503"]["x-codes"] == ["demo.tank_empty"]


async def test_each_request_leaves_one_log_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    with caplog.at_level(logging.INFO):
        await client.get("/greeting", headers={"X-Request-ID": "seen-in-the-log"})
        await client.get("http://demo/healthz")
        await asyncio.sleep(0.12)  # lines are written a tenth of a second after the first at the latest
    lines = [line for line in (capsys.readouterr().out + caplog.text).splitlines() if "duration_ms" in line]
    assert len(lines) == 1
    assert "seen-in-the-log" in lines[0]


async def test_a_client_that_left_is_no_fault_of_ours():
    async def inner(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ClientDisconnect

    async def send(_message: Any) -> None:
        raise AssertionError("nobody hears an answer")

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    metrics = ServiceMetrics("demo")
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}
    with structlog.testing.capture_logs() as logged:
        await RequestContext(inner, metrics, RequestLog("demo"))(scope, receive, send)
    assert [line for line in logged if line["event"] == "request_failed"] == []
