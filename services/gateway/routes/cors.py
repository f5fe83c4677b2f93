"""Pages of other origins: closed to all of them but those that are named, one by one.

Callers show a token or a key with each request, never a cookie, so that a page of a foreign origin has nothing to send
in somebody else's name; a named origin's pages may read the answers besides.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID")
_ANSWER_HEADERS = ("Content-Disposition", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
# Chromium asks again after two hours at most.
_REMEMBERED_S = 7200


def open_to_origins(door: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Put a layer around the door that lets pages of these origins in, its refusals included.

    Parameters
    ----------
    origins
        Scheme, host and port, exactly as a browser writes them; without any, the door stays as it is.
    """
    if not origins:
        return door
    return CORSMiddleware(
        door,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
        allow_credentials=False,
        max_age=_REMEMBERED_S,
    )
