"""The gateway vouches for a caller it has verified; a service believes nobody else.

A token names one service as its audience and lives a minute, so one that leaks opens little and not for long.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from shared.clock import Clock
from shared.errors import JSON
from shared.jwt import InvalidToken, TokenVerifier
from shared.principal import Permission, Principal, Role
from shared.watched_files import WatchedFiles

HEADER = "x-futago-identity"
ISSUER = "futago-gateway"
TYPE = "futago-identity+jwt"
LIFE_S = 60
# A cached token is handed out for the first half of its life, so that it never expires on the way.
_REUSE_S = LIFE_S // 2
_CACHE_SIZE = 4096


class Signer(Protocol):
    """Signs claims; `jwk` is the public half of the key it does it with now."""

    @property
    def jwk(self) -> Mapping[str, str]: ...

    def sign(self, claims: Mapping[str, JSON], *, typ: str) -> str: ...


class InternalTokenSigner:
    """Signs who calls, for one service at a time; signing costs ~100 µs, so a token is reused for half its life.

    Parameters
    ----------
    signer
        May change its key on the way: what the old one signed is then not handed out any more.
    """

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer, self._clock = signer, clock
        self._signed_by = signer.jwk
        self._cache: OrderedDict[tuple[Principal, str], tuple[int, str]] = OrderedDict()

    def sign(self, principal: Principal, audience: str) -> str:
        """A token that proves `principal` to the service named `audience`."""
        now_s = int(self._clock.now().timestamp())
        if self._signer.jwk != self._signed_by:
            self._signed_by = self._signer.jwk
            self._cache.clear()
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
            },
            typ=TYPE,
        )
        self._cache[principal, audience] = (now_s, token)
        self._cache.move_to_end((principal, audience))
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return token


class IdentityVerifier:
    """Turns the gateway's token back into the caller; a verified token is remembered until it expires."""

    def __init__(self, public_pems: Sequence[bytes], *, audience: str, clock: Clock) -> None:
        verifier = TokenVerifier(public_pems, issuer=ISSUER, audience=audience, clock=clock, typ=TYPE)
        self._newest: Callable[[], TokenVerifier] = lambda: verifier
        self._verified_by = verifier
        self._clock = clock
        self._cache: OrderedDict[str, tuple[int, Principal]] = OrderedDict()

    @classmethod
    def reading(cls, path: Path, *, audience: str, clock: Clock, on_fault: Callable[[], None] = lambda: None) -> Self:
        """Verify with the keys in a file, which is read again when it is replaced.

        Parameters
        ----------
        on_fault
            Called each time the file was looked at in vain; the keys that were there before go on.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read now, or holds anything but P-256 public keys.
        """

        def make(contents: Sequence[bytes]) -> TokenVerifier:
            return TokenVerifier(contents, issuer=ISSUER, audience=audience, clock=clock, typ=TYPE)

        identity = cls([path.read_bytes()], audience=audience, clock=clock)
        identity._newest = WatchedFiles([path], make, clock, on_fault).current
        return identity

    def verify(self, token: str) -> Principal:
        """The caller the gateway vouches for.

        Raises
        ------
        InvalidToken
            If the token is not one the gateway signed for this service, or is no longer valid.
        """
        verifier = self._newest()
        if verifier is not self._verified_by:
            # A key that was taken away takes along what was verified with it.
            self._verified_by = verifier
            self._cache.clear()
        expires_s, principal = self._cache.get(token, (0, None))
        if principal is not None and expires_s > self._clock.now().timestamp():
            return principal
        claims = verifier.verify(token)
        principal = _principal(claims)
        self._cache[token] = (claims["exp"], principal)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return principal


def _principal(claims: Mapping[str, Any]) -> Principal:
    try:
        return Principal(
            subject=_text(claims["sub"]),
            role=Role(_text(claims["role"])),
            permissions=frozenset(Permission(value) for value in _texts(claims["permissions"])),
            assets=tuple(_texts(claims["assets"])),
            method=_text(claims["method"]),
        )
    except (KeyError, ValueError) as error:
        raise InvalidToken from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidToken
    return value


def _texts(value: object) -> list[str]:
    # A text is a sequence too, of its letters.
    if not isinstance(value, list):
        raise InvalidToken
    return [_text(item) for item in value]
