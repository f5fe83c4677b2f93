import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx
import pytest
import structlog
from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, ConfigDict
from starlette.requests import ClientDisconnect

from shared.errors import AppError, Fault, Kind
from shared.http.app import ServiceApp, build_app
from shared.http.dependencies import check_asset, require, use
from shared.http.metrics import ServiceMetrics
from shared.http.middleware import RequestContext
from shared.http.problems import responses
from shared.http.request_log import RequestLog
from shared.internal_token import HEADER, IdentityVerifier, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Permission, Principal, Role
from shared.settings import ServiceSettings

JSON_TYPE = {"content-type": "application/json"}


class DemoSettings(ServiceSettings):
    service: ClassVar[str] = "demo"


class Reading(BaseModel):
    value: float
    note: str = ""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TankEmpty(AppError):
    kind, code = Kind.UNAVAILABLE, "demo.tank_empty"

    def __init__(self) -> None:
        super().__init__("the tank is empty", faults=[Fault("/value", "too low", {"min": 3})], retry_after_s=7, tank=4)


class Greeter:
    greeting = "moin"


def demo_router() -> APIRouter:
    router = APIRouter(prefix="/api/v1/demo", tags=["demo"])

    @router.post("/echo/{name}", responses=responses(TankEmpty))
    async def echo(name: str, body: Reading, limit: int = 1) -> Reading:
        return body

    @router.post("/strict")
    async def strict(body: Strict) -> None:
        pass

    @router.get("/greeting")
    async def greeting(greeter: Greeter = use(Greeter)) -> str:
        return greeter.greeting

    @router.get("/slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    @router.get("/bug")
    async def bug() -> float:
        return 1 / 0

    @router.get("/empty")
    async def empty() -> None:
        raise TankEmpty

    @router.post("/upload")
    async def upload(file: UploadFile) -> int:
        return len(await file.read())

    @router.post("/train")
    async def train(caller: Principal = require(Permission.TRAIN), asset: str | None = None) -> str:
        check_asset(caller, asset)
        return caller.subject

    return router


def demo_settings(**changes: Any) -> DemoSettings:
    values: dict[str, Any] = {
        "port": 0,
        "redis_url": "redis://x",
        "database_url": "sqlite://",
        "body_limit_bytes": 2000,
        "upload_limit_bytes": 10_000,
        "deadline_s": 0.2,
    }
    return DemoSettings(**(values | changes))


def demo_app(identity: IdentityVerifier | None = None, **settings: Any) -> ServiceApp:
    return build_app(
        settings=demo_settings(**settings),
        title="Demo",
        routers=[demo_router()],
        objects=[(Greeter, Greeter())],
        identity=identity,
        metrics=ServiceMetrics("demo"),
        upload_paths=["/api/v1/demo/upload"],
    )


def client_of(app: ServiceApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo/api/v1/demo")


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


@pytest.mark.parametrize("address", ["/echo/a%00b", "/greeting?limit=%00"])
async def test_an_address_with_a_zero_byte_is_refused_before_any_database_sees_it(
    client: httpx.AsyncClient, address: str
):
    answer = await client.post(address, json={"value": 1.5})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.address_unusable")


async def test_a_named_error_becomes_a_problem_with_its_facts(client: httpx.AsyncClient):
    answer = await client.get("/empty", headers={"X-Request-ID": "r1"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "urn:futago:problem:demo.tank_empty",
        "title": "Temporarily unavailable",
        "status": 503,
        "detail": "the tank is empty",
        "instance": "/api/v1/demo/empty",
        "request_id": "r1",
        "code": "demo.tank_empty",
        "errors": [{"pointer": "/value", "detail": "too low", "min": 3}],
        "tank": 4,
    }


async def test_every_fault_of_the_input_is_listed_with_its_pointer(client: httpx.AsyncClient):
    answer = await client.post("/echo/a?limit=many", json={"value": "hot", "note": 7})
    assert answer.status_code == 422
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/value", "/note", "?limit"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"value": NaN}', "request.not_json"),
        (b'{"value": -Infinity}', "request.not_json"),
        (b'{"value": 1, "note": "\\ud800"}', "request.not_json"),
        (b'{"value": 1', "request.not_json"),
        (b'{"value": nul}', "request.not_json"),
        (b"\xff\xfe", "request.not_json"),
        (b"[" * 1900, "request.not_json"),
        (b'{"value": 1, "note": "\xed\xa0\x80"}', "request.not_json"),
        ('{"value": NaN}'.encode("utf-16-le"), "request.not_json"),
        (b'{"value": 1, "more": ' + b"[" * 64 + b"]" * 64 + b"}", "request.not_json"),
        (b'{"value": 1, "more": ' + b'[{"a":' * 32 + b"1" + b"}]" * 32 + b"}", "request.not_json"),
        (b"", "request.invalid"),
    ],
)
async def test_what_json_cannot_hold_is_a_422(client: httpx.AsyncClient, body: bytes, code: str):
    answer = await client.post("/echo/a", content=body, headers=JSON_TYPE)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_media_type_in_capitals_is_checked_as_any_other(client: httpx.AsyncClient):
    answer = await client.post("/echo/a", content=b'{"value": NaN}', headers={"content-type": "Application/JSON"})
    assert answer.json()["code"] == "request.not_json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"value": 1, "more": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"value": 1, "note": "' + b"[" * 500 + b'"}',
        b'{"value": 1, "more": [' + b",".join([b'{"a": [1, {"b": []}]}'] * 30) + b"]}",
        b'\xef\xbb\xbf{"value": 1, "note": "\xc3\xa9"}',
    ],
    ids=["63 levels", "brackets in a text", "many shallow values", "byte order mark"],
)
async def test_what_is_json_and_not_too_deep_passes(client: httpx.AsyncClient, body: bytes):
    assert (await client.post("/echo/a", content=body, headers=JSON_TYPE)).status_code == 200


async def test_the_faults_that_are_not_listed_are_counted(client: httpx.AsyncClient):
    answer = await client.post("/strict", json={str(number): 1 for number in range(250)})
    assert (answer.status_code, len(answer.json()["errors"]), answer.json()["errors_left_out"]) == (422, 100, 150)


async def test_text_that_only_mentions_nan_passes(client: httpx.AsyncClient):
    body = {"value": 1.0, "note": "NaN, Infinity and \U0001f600"}
    assert (await client.post("/echo/a", json=body)).json() == body


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


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_its_limit_is_a_413_whether_or_not_its_length_is_declared(
    client: httpx.AsyncClient, content_type: str, *, declared: bool
):
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield b"x" * 100

    content: Any = b"x" * 2100 if declared else drops()
    answer = await client.post("/echo/a", content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.body_too_large")


async def test_an_upload_has_its_own_limit(client: httpx.AsyncClient):
    assert (await client.post("/upload", files={"file": b"x" * 5000})).json() == 5000
    assert (await client.post("/upload", files={"file": b"x" * 11_000})).status_code == 413


async def test_an_upload_that_stops_in_the_middle_is_not_waited_for_for_ever(client: httpx.AsyncClient):
    async def half_a_file() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
        await asyncio.Event().wait()

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await client.post("/upload", content=half_a_file(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (504, "request.body_stalled")


async def test_a_length_that_is_no_number_is_refused():
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/demo/upload", "raw_path": b"", "query_string": b"",
        "headers": [(b"content-length", b"-1")], "scheme": "http", "server": ("demo", 80), "root_path": "",
    }  # fmt: skip
    await demo_app()(scope, receive, send)
    assert sent[0]["status"] == 413


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
    assert (ready.status_code, ready.json()["checks"]) == (503, {"tank": "demo.tank_empty", "pump": "ok"})
    assert alive.json() == {"status": "alive", "service": "demo"}


async def test_a_draining_process_is_alive_and_not_ready():
    app = demo_app()
    app.readiness.draining = True
    async with client_of(app) as client:
        assert (await client.get("http://demo/readyz")).json()["status"] == "draining"
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


@pytest.mark.parametrize("when", ["reading", "writing"])
async def test_a_client_that_left_is_no_fault_of_ours(when: str):
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if when == "reading":
            raise ClientDisconnect
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(_message: Any) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    metrics = ServiceMetrics("demo")
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}
    with structlog.testing.capture_logs() as logged:
        await RequestContext(inner, metrics, RequestLog("demo"))(scope, receive, send)
    assert [line for line in logged if line["event"] == "request_failed"] == []
