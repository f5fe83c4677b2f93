"""Lets in who may use a twin on its own: everybody on this machine, or whoever holds its key."""

import hashlib
import hmac
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import AppError, Kind
from shared.http.identity import PRINCIPAL_KEY
from shared.principal import ROLE_PERMISSIONS, Principal, Role

HEADER = "x-api-key"
# May predict, observe and set limits; there are no users and no keys to manage.
_LOCAL = Principal("local", Role.ENGINEER, ROLE_PERMISSIONS[Role.ENGINEER], method="local")


class ApiKeyRefused(AppError):
    """The request carries no key, or another one."""

    kind, code = Kind.UNAUTHENTICATED, "auth.api_key_refused"

    def __init__(self) -> None:
        super().__init__("send this twin's key as X-API-Key")


class LocalDoor:
    """Puts the one caller that there is into the scope, or answers 401.

    Parameters
    ----------
    api_key
        What callers send; `None` lets everybody in.
    open_paths
        Paths that need no key.
    """

    def __init__(self, app: ASGIApp, *, api_key: str | None, open_paths: Collection[str]) -> None:
        self._app, self._open_paths = app, frozenset(open_paths)
        self._digest = None if api_key is None else _digest(api_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._digest is not None and scope["path"] not in self._open_paths:
                offered = Headers(scope=scope).get(HEADER, "")
                if not hmac.compare_digest(_digest(offered), self._digest):
                    raise ApiKeyRefused
            scope[PRINCIPAL_KEY] = _LOCAL
        await self._app(scope, receive, send)


def _digest(key: str) -> bytes:
    # Of equal length whatever was offered, so that a comparison tells nothing of the key.
    return hashlib.sha256(key.encode()).digest()
