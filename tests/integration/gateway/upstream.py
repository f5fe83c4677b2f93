"""A small service to stand behind the gateway: it says what reached it, and misbehaves on request."""

import asyncio
import json

from starlette.types import Receive, Scope, Send


class Upstream:
    """Answers what it was asked, by path."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []
        self.cancelled = asyncio.Event()
        self.streaming = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.seen.append(scope)
        path = scope["path"]
        if path == "/openapi.json":
            await answer(send, 200, json.dumps(DOCUMENT).encode(), [(b"content-type", b"application/json")])
        elif path == "/readyz":
            await answer(send, 200, b"{}", [])
        elif path.endswith("/report"):
            await self._stream_until_left(receive, send)
        elif path.endswith("/progress"):
            await self._stream_until_cut(receive, send)
        elif path.endswith("/latent"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("broken on purpose")
        elif path.endswith("/drift"):
            # Never answers; the gateway gives up first.
            await _until_left(receive)
        elif path.endswith("/health"):
            await answer(send, 401, b"{}", [])
        else:
            await self._echo(scope, receive, send)

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
            "body_bytes": len(body),
            "body": body[:100].decode("latin-1"),
        }
        headers = [
            (b"content-type", b"application/json"),
            (b"location", b"/api/v1/jobs/1"),
            (b"connection", b"x-inner"),
            (b"x-inner", b"for the next hop only"),
            (b"set-cookie", b"session=1"),
            (b"server", b"inner/1"),
            (b"x-futago-identity", b"leak"),
            (b"x-kept", b"yes"),
        ]
        await answer(send, 202, json.dumps(said).encode(), headers)

    async def _stream_until_cut(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        left = asyncio.create_task(_until_left(receive))
        while not left.done():
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.wait((left,), timeout=0.1)
        self.cancelled.set()

    async def _stream_until_left(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        self.streaming.set()
        await _until_left(receive)
        self.cancelled.set()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Twin", "version": "1"},
    "paths": {
        "/api/v1/twin/predict": {
            "post": {
                "operationId": "predict",
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}
                },
            }
        },
        "/healthz": {"get": {"operationId": "inner_health", "responses": {}}},
        "/api/v1/twin/not-in-the-table": {"get": {"operationId": "hidden", "responses": {}}},
    },
    "components": {"schemas": {"Page": {"type": "object", "properties": {"twin": {"const": 1}}}}},
}
