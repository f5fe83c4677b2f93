"""Lets in only whom the gateway vouches for: reaching a service's port does not mean getting in."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.headers import header
from shared.internal_token import HEADER, IdentityVerifier
from shared.jwt import InvalidToken

PRINCIPAL_KEY = "futago.principal"
_HEADER = HEADER.encode()


class RequireIdentity:
    """Puts the verified caller into the scope, or answers 401; probes and the contract are open."""

    def __init__(self, app: ASGIApp, verifier: IdentityVerifier, *, open_paths: Collection[str]) -> None:
        self._app, self._verifier, self._open_paths = app, verifier, frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            token = header(scope, _HEADER)
            if token is None:
                raise InvalidToken
            scope[PRINCIPAL_KEY] = self._verifier.verify(token.decode("latin-1"))
        await self._app(scope, receive, send)
