"""Requests answered without the framework, where its generality costs more than the answer.

The framework documents such a route and serves it too. A handler here answers the plain form of a request, the one that
nearly all callers send, and declines whatever it is not sure of; the documented route then answers that.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.headers import header
from shared.http.identity import PRINCIPAL_KEY
from shared.http.middleware import ROUTE_KEY, put_back
from shared.http.request_id import current_request_id
from shared.principal import Principal

_JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A request that carries JSON, from a caller that was verified.

    Parameters
    ----------
    query
        The query string as it came.
    body
        The whole body, within its limit.
    """

    caller: Principal
    request_id: str
    query: bytes
    body: bytes


# The answer's JSON, or `None` to decline.
DirectHandler: TypeAlias = Callable[[DirectRequest], Awaitable[bytes | None]]


class DirectRoutes:
    """Offers the POST requests of some paths to their handler, before the framework.

    Parameters
    ----------
    handlers
        By exact path.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[str, DirectHandler]) -> None:
        self._app, self._handlers = app, dict(handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["path"]) if scope["type"] == "http" else None
        caller = scope.get(PRINCIPAL_KEY)
        if (
            handler is None
            or scope["method"] != "POST"
            or caller is None
            or header(scope, b"content-type") != _JSON
            or scope.get("root_path")
        ):
            await self._app(scope, receive, send)
            return
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            request = DirectRequest(caller, current_request_id(), scope["query_string"], message.get("body", b""))
            scope[ROUTE_KEY] = scope["path"]
            answer = await handler(request)
            if answer is not None:
                await _send_json(send, answer)
                return
            del scope[ROUTE_KEY]
        await self._app(scope, put_back(message, receive), send)


async def _send_json(send: Send, content: bytes) -> None:
    length = str(len(content)).encode()
    headers = [(b"content-length", length), (b"content-type", _JSON)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
