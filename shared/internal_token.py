"""The gateway vouches for a caller it has verified; a service believes nobody else.

A token names one service as its audience and lives a minute, so one that leaks opens little and not for long.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from shared.clock import Clock
from shared.jwt import InvalidToken, TokenSigner, TokenVerifier
from shared.principal import Permission, Principal, Role

HEADER = "x-futago-identity"
ISSUER = "futago-gateway"
LIFE_S = 60
# A cached token is handed out for the first half of its life, so that it never expires on the way.
_REUSE_S = LIFE_S // 2
_CACHE_SIZE = 4096


class InternalTokenSigner:
    """Signs who calls, for one service at a time; signing costs ~100 µs, so a token is reused for half its life."""

    def __init__(self, signer: TokenSigner, clock: Clock) -> None:
        self._signer, self._clock = signer, clock
        self._cache: OrderedDict[tuple[Principal, str], tuple[int, str]] = OrderedDict()

    def sign(self, principal: Principal, audience: str) -> str:
        """A token that proves `principal` to the service named `audience`."""
        now_s = int(self._clock.now().timestamp())
        signed_at_s, token = self._cache.get((principal, audience), (0, ""))
        if token and now_s - signed_at_s < _REUSE_S:
            return token
        token = self._signer.sign(
            {
                "iss": ISSUER,
                "aud": audience,
                "sub": principal.subject,
                "role": principal.role.value,
                "permissions": sorted(permission.value for permission in principal.permissions),
                "assets": list(principal.assets),
                "method": principal.method,
                "iat": now_s,
                "exp": now_s + LIFE_S,
            }
        )
        self._cache[principal, audience] = (now_s, token)
        self._cache.move_to_end((principal, audience))
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return token


class IdentityVerifier:
    """Turns the gateway's token back into the caller; a verified token is remembered until it expires."""

    def __init__(self, public_pems: Sequence[bytes], *, audience: str, clock: Clock) -> None:
        self._verifier = TokenVerifier(public_pems, issuer=ISSUER, audience=audience, clock=clock)
        self._clock = clock
        self._cache: OrderedDict[str, tuple[int, Principal]] = OrderedDict()

    def verify(self, token: str) -> Principal:
        """The caller the gateway vouches for.

        Raises
        ------
        InvalidToken
            If the token is not one the gateway signed for this service, or is no longer valid.
        """
        expires_s, principal = self._cache.get(token, (0, None))
        if principal is not None and expires_s > self._clock.now().timestamp():
            return principal
        claims = self._verifier.verify(token)
        principal = _principal(claims)
        self._cache[token] = (claims["exp"], principal)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return principal


def _principal(claims: Any) -> Principal:
    try:
        return Principal(
            subject=claims["sub"],
            role=Role(claims["role"]),
            permissions=frozenset(Permission(value) for value in claims["permissions"]),
            assets=tuple(claims["assets"]),
            method=claims["method"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidToken from error
