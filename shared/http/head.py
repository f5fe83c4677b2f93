"""HEAD wherever GET is answered (RFC 9110, section 9.1): the same answer without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Asks the layers inside for GET, and ends the answer after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}
        ended = False

        async def send_headers(message: Message) -> None:
            nonlocal ended
            # What follows the headers is dropped; for a stream the server then tells that nobody listens any more.
            if not ended:
                await send(message)
                if message["type"] == "http.response.start":
                    ended = True
                    await send({"type": "http.response.body", "body": b""})

        try:
            await self._app(inner, receive, send_headers)
        finally:
            scope.update({key: value for key, value in inner.items() if key != "method"})
