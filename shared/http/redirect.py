"""What listens where people expect plain HTTP and the suite speaks only TLS: it shows them the way."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.headers import header

_HTTPS_PORT = 443
# RFC 3986, 3.2.2: a name or an IPv4 address, or an IPv6 address in brackets; then a port.
_HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def redirect_to_https(port: int) -> ASGIApp:
    """An application that sends everybody to the same address on the TLS port.

    The status is 308, so that a client repeats the method and the body. Without a usable `Host` it is 400.
    """
    shown_port = "" if port == _HTTPS_PORT else f":{port}"

    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (ASGI's signature)
        if scope["type"] != "http":
            return
        named = _HOST.fullmatch((header(scope, b"host") or b"").decode("latin-1"))
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        if named is not None:
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            target = f"https://{named['host']}{shown_port}".encode() + scope["raw_path"] + query
            headers.append((b"location", target))
        await send({"type": "http.response.start", "status": 400 if named is None else 308, "headers": headers})
        await send({"type": "http.response.body"})

    return redirect
