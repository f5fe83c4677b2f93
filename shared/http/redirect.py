"""What listens where people expect plain HTTP and the suite speaks only TLS: it shows people the way, programs none."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.headers import header
from shared.http.problems import problem
from shared.http.request_id import HEADER, accept_or_make, set_request_id

_HTTPS_PORT = 443
# RFC 3986, 3.2.2: a name or an IPv4 address, or an IPv6 address in brackets; then a port.
_HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
# What people open in a browser.
_PAGES = re.compile(rb"/|/docs(?:/.*)?")
_CLOSE = {"Connection": "close"}


def redirect_to_https(port: int) -> ASGIApp:
    """An application that sends people to the same address on the TLS port.

    A page gets 308, or 400 without a usable `Host`. Everything else gets 403: a program that were sent on would go on
    sending its secrets in the clear, and nobody would notice (OWASP ASVS 5, 4.1.2).
    """
    shown_port = "" if port == _HTTPS_PORT else f":{port}"

    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] not in {"GET", "HEAD"} or _PAGES.fullmatch(scope["raw_path"]) is None:
            await _refuse(scope, receive, send)
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


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    set_request_id(accept_or_make(header(scope, HEADER)))
    answer = problem(
        status=403,
        code="request.tls_required",
        detail="this is answered over TLS only; a secret that was sent here was sent in the clear: replace it",
        instance=scope["path"],
        headers=_CLOSE,
    )
    await answer(scope, receive, send)
