"""HEAD is GET without its body, also where the body never ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from shared.http.app import ServiceApp, build_app
from shared.http.head import HeadAsGet
from shared.http.metrics import ServiceMetrics
from tests.unit.shared.demo_service import DemoSettings


@pytest.fixture
def app() -> ServiceApp:
    router = APIRouter(prefix="/api/v1/demo")

    @router.get("/things/{name}")
    async def thing(name: str) -> dict[str, str]:
        return {"name": name}

    @router.post("/things")
    async def add() -> None:
        pass

    @router.get("/endless")
    async def endless() -> StreamingResponse:
        async def beats() -> AsyncIterator[bytes]:
            while True:
                yield b": still here\n\n"
                await asyncio.sleep(0)

        return StreamingResponse(beats(), media_type="text/event-stream")

    settings = DemoSettings(port=1, redis_url="redis://r", database_url="sqlite://")
    metrics = ServiceMetrics("demo")
    return build_app(settings=settings, title="Demo", routers=[router], objects=[], identity=None, metrics=metrics)


@pytest.fixture
def client(app: ServiceApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo/api/v1/demo")


async def test_head_has_the_status_and_the_headers_of_get_and_no_body(client: httpx.AsyncClient):
    got, head = await client.get("/things/a"), await client.head("/things/a")
    assert (head.status_code, head.content) == (200, b"")
    of_each_request = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in of_each_request} == {
        k: v for k, v in got.headers.items() if k not in of_each_request
    }


async def test_head_of_what_is_not_there_or_takes_no_get_is_refused_as_get_is(client: httpx.AsyncClient):
    assert ((await client.head("/nothing")).status_code, (await client.head("/things")).status_code) == (404, 405)


async def test_head_of_an_endless_stream_ends(app: ServiceApp):
    sent: list[Message] = []
    asked: Any = {
        "type": "http", "method": "HEAD", "path": "/api/v1/demo/endless", "raw_path": b"/api/v1/demo/endless",
        "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    parts = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        # As a server does: once the answer is complete, nobody listens any more.
        return next(parts, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    await asyncio.wait_for(app(asked, receive, send), 5)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


async def test_what_a_layer_inside_says_of_the_route_reaches_the_log_outside():
    async def inner(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["futago.route"] = f"/things/{scope['method']}"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(_message: Message) -> None:
        pass

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "HEAD"}
    await HeadAsGet(inner)(scope, receive, send)
    assert scope == {"type": "http", "method": "HEAD", "futago.route": "/things/GET"}


@pytest.mark.parametrize("path", ["/things/a/", "/Things/a", "//things/a"])
async def test_a_path_has_one_spelling_and_no_other_is_redirected_to_it(client: httpx.AsyncClient, path: str):
    assert (await client.get(path)).status_code == 404
