"""The way of a request through the gateway to a service and back, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.internal_token import IdentityVerifier
from tests.integration.gateway.conftest import serve
from tests.integration.gateway.upstream import Upstream


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def suite(settings: GatewaySettings, admin: FirstAdmin, upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a served gateway, with the administrator's key."""
    async with serve(upstream) as url:
        changed = settings.model_copy(
            update={
                "twin_url": url,
                "anomaly_url": url,
                "upstream_timeout_s": 1.0,
                "forwarded_body_limit_bytes": 4 * 1024**2,
            }
        )
        async with client_of(changed, admin) as client:
            yield client


@asynccontextmanager
async def client_of(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(create_app(settings)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": admin.api_key.text}, timeout=20) as client,
    ):
        yield client


async def raw(client: httpx.AsyncClient, request: bytes) -> bytes:
    """Send bytes as they are, and read until the gateway closes or has been silent for a while."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(request)
    answer = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65536), 1.0):
            answer += chunk
    except TimeoutError:
        pass
    writer.close()
    return answer


async def test_path_query_and_body_reach_the_service_unchanged(suite: httpx.AsyncClient):
    answer = await suite.post("/api/v1/twin/predict?model=caf%C3%A9&q=a+b%2Bc&q=%26", json={"temp": 360})
    assert answer.status_code == 202
    said = answer.json()
    assert (said["method"], said["path"]) == ("POST", "/api/v1/twin/predict")
    assert httpx.QueryParams(said["query"]).multi_items() == [("model", "café"), ("q", "a b+c"), ("q", "&")]
    assert json.loads(said["body"]) == {"temp": 360}


async def test_a_name_in_the_path_keeps_its_encoding(suite: httpx.AsyncClient):
    answer = await suite.get("/api/v1/anomaly/detectors/%E6%B8%A9%E5%BA%A6%20(1)")
    assert answer.json()["path"] == "/api/v1/anomaly/detectors/温度 (1)"


async def test_the_service_learns_who_calls_and_not_how_it_was_proved(
    suite: httpx.AsyncClient, settings: GatewaySettings
):
    forged = {"X-Futago-Identity": "forged", "X_Futago_Identity": "forged", "Authorization": "Bearer x"}
    forged |= {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "Cookie": "a=b"}
    del forged["Authorization"]
    answer = await suite.get("/api/v1/twin/models", headers=forged | {"X-Request-ID": "asked-1", "traceparent": "00-1"})
    headers = answer.json()["headers"]
    names = [name for name, _ in headers]
    assert names.count("x-futago-identity") == 1
    assert not {"x-api-key", "authorization", "cookie", "x-forwarded-for", "forwarded", "x_futago_identity"} & set(
        names
    )
    told = dict(headers)
    public_key = settings.identity_private_key_file.with_name("identity.pub.pem").read_bytes()
    verifier = IdentityVerifier([public_key], audience="twin", clock=SystemClock())
    assert verifier.verify(told["x-futago-identity"]).subject == "admin"
    assert (told["x-request-id"], told["traceparent"]) == ("asked-1", "00-1")
    assert answer.headers["x-request-id"] == "asked-1"


async def test_headers_for_one_hop_stay_on_it(suite: httpx.AsyncClient):
    answer = await suite.get(
        "/api/v1/twin/models", headers={"Connection": "close, X-Mine", "X-Mine": "1", "TE": "gzip"}
    )
    assert not {"x-mine", "te"} & {name for name, _ in answer.json()["headers"]}
    assert not {"x-inner", "set-cookie", "server", "x-futago-identity"} & set(answer.headers)
    assert answer.headers["x-kept"] == "yes"
    assert answer.headers["location"] == "/api/v1/jobs/1"


async def test_a_large_body_is_streamed_to_the_service(suite: httpx.AsyncClient):
    answer = await suite.post("/api/v1/twin/batch", content=b"x" * (3 * 1024**2))
    assert answer.json()["body_bytes"] == 3 * 1024**2


async def test_a_body_in_chunks_arrives_whole(suite: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"y" * 1000

    answer = await suite.post("/api/v1/twin/batch", content=chunks())
    said = answer.json()
    assert said["body_bytes"] == 10_000
    assert ["transfer-encoding", "chunked"] in said["headers"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(suite: httpx.AsyncClient, chunked: bool):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"y" * 1024**2

    answer = await suite.post("/api/v1/twin/batch", content=chunks() if chunked else b"y" * 5 * 1024**2)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.body_too_large")


async def test_a_service_that_is_away_is_a_503_with_a_time_to_retry(suite: httpx.AsyncClient):
    answer = await suite.get("/api/v1/planner/plans/1")
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway.upstream_away")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_service_that_does_not_answer_in_time_is_a_504(suite: httpx.AsyncClient):
    answer = await suite.get("/api/v1/anomaly/detectors/a/drift")
    assert (answer.status_code, answer.json()["code"]) == (504, "gateway.upstream_slow")
    assert "retry-after" in answer.headers


async def test_a_service_that_refuses_the_gateway_itself_is_a_502(suite: httpx.AsyncClient):
    answer = await suite.get("/api/v1/anomaly/assets/a.b/health")
    assert (answer.status_code, answer.json()["code"]) == (502, "gateway.upstream_broken")
    assert answer.json()["status"] == 502


async def test_an_answer_that_breaks_off_is_not_passed_off_as_complete(suite: httpx.AsyncClient):
    with pytest.raises(httpx.RemoteProtocolError):
        await suite.get("/api/v1/anomaly/detectors/a/latent")


async def test_a_caller_who_leaves_ends_the_work_inside(suite: httpx.AsyncClient, upstream: Upstream):
    async with suite.stream("GET", "/api/v1/anomaly/detectors/a/report") as answer:
        assert await anext(answer.aiter_bytes()) == b"data: 1\n\n"
    await asyncio.wait_for(upstream.cancelled.wait(), 5)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/twin/%2e%2e/%2e%2e/metrics",
        "/api/v1/twin/models/..%2f..%2fusers",
        "/api/v1/twin/models/a%2Fb",
        "/api/v1/twin//models",
        "/api/v1/twin/models/%00",
        "/api/v1/twin/models/a%0d%0aX-Futago-Identity:%20x",
        "/api/v1/twin/models/%252e%252e",
        "/api/v1/twin/models/a\\b",
        "/api/v1/twin/models/%ff",
        "/api/v1/twin/./models",
        "/api/v1/twin/models;x=/../y",
        "/api/v1/twin/",
        "/api/v1/twinx/models",
    ],
)
async def test_a_path_with_two_readings_reaches_nobody(suite: httpx.AsyncClient, upstream: Upstream, path: str):
    key = suite.headers["x-api-key"]
    before = len(upstream.seen)
    answer = await raw(
        suite, f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.split(b" ", 2)[1] in {b"404", b"400", b"422"}
    assert [
        scope["path"] for scope in upstream.seen[before:] if scope["path"] not in {"/readyz", "/openapi.json"}
    ] == []


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
async def test_a_request_within_a_request_is_never_served(suite: httpx.AsyncClient, upstream: Upstream, framing: bytes):
    smuggled = b"GET /api/v1/twin/models/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /api/v1/twin/predict HTTP/1.1\r\nHost: x\r\nX-API-Key: " + suite.headers["x-api-key"].encode()
    answer = await raw(suite, head + b"\r\n" + framing + b"\r\n0\r\n\r\n" + smuggled)
    assert answer.split(b" ", 2)[1] in {b"400", b"422"}
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not [scope for scope in upstream.seen if "smuggled" in scope["path"] or scope["path"].endswith("/predict")]


async def test_the_suite_is_described_as_one(suite: httpx.AsyncClient):
    for _ in range(100):
        document = (await suite.get("/openapi.json")).json()
        if "/api/v1/twin/predict" in document["paths"]:
            break
        await asyncio.sleep(0.05)
    predict = document["paths"]["/api/v1/twin/predict"]["post"]
    assert predict["x-needs"] == "predict"
    assert {"401", "403", "429", "502", "503", "504"} <= predict["responses"].keys()
    assert "/api/v1/twin/not-in-the-table" not in document["paths"]
    assert document["paths"]["/healthz"]["get"]["operationId"] != "inner_health"
    assert document["paths"]["/api/v1/auth/login"]["post"]["security"] == []
    assert {"password", "apiKey"} == document["components"]["securitySchemes"].keys()


async def test_each_dependency_is_named_by_the_readiness_probe(suite: httpx.AsyncClient):
    answer = await suite.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": "ok",
        "redis": "ok",
        "twin": "ok",
        "anomaly": "ok",
        "planner": "gateway.upstream_away",
    }


async def test_a_probe_that_leaves_out_what_all_replicas_share_keeps_them_in_use(suite: httpx.AsyncClient):
    """As the Helm chart asks it: a planner that is away must not take predictions away with it."""
    shared = ("database", "redis", "twin", "anomaly", "planner")
    answer = await suite.get("/readyz", params={"exclude": shared})
    assert (answer.status_code, answer.json()["checks"]) == (200, dict.fromkeys(shared, "excluded"))


async def test_a_stream_of_a_service_ends_with_the_credential_it_was_opened_with(
    suite: httpx.AsyncClient, upstream: Upstream
):
    made = (await suite.post("/api/v1/api-keys", json={"name": "wall"})).json()
    reader = {"X-API-Key": made["api_key"]}
    async with suite.stream("GET", "/api/v1/anomaly/detectors/progress", headers=reader) as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["data: 1", "", "data: 1"]
        assert (await suite.patch(f"/api/v1/api-keys/{made['id']}", json={"active": False})).status_code == 200
        async with asyncio.timeout(2.0):
            with pytest.raises(httpx.RemoteProtocolError):
                [line async for line in lines]
            # The service need not go on either.
            await upstream.cancelled.wait()
