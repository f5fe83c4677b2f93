"""What an access token says about its bearer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from services.gateway.domain.errors import TokenRejected
from shared.errors import JSON

ISSUER = "futago"
AUDIENCE = "futago-api"
# In the header of each (RFC 8725, section 3.11), so that no other token of ours passes for one.
TOKEN_TYPE = "futago-access+jwt"  # noqa: S105  a name, not a secret


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Who, in which session, and under which generation of the user.

    Role and rights are not in the token: they are read from the user's row when a token is first seen, so a token
    cannot keep a right that its user has lost.
    """

    username: str
    session_id: str
    generation: int
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys that tokens are verified with, as JWKs."""

    jwks: tuple[Mapping[str, str], ...]


class KeyList(Protocol):
    """Knows the keys that count now."""

    def public_keys(self) -> PublicKeys:
        """The keys that tokens are verified with."""
        ...


def to_payload(claims: AccessClaims, token_id: str) -> dict[str, JSON]:
    """Claims as they stand in the token; times are whole seconds [s since 1970]."""
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "typ": "access",
        "jti": token_id,
        "sub": claims.username,
        "sid": claims.session_id,
        "gen": claims.generation,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
    }


def from_payload(payload: Mapping[str, object]) -> AccessClaims:
    """Claims of a token whose signature, issuer, audience and times were verified.

    Raises
    ------
    TokenRejected
        If a claim is missing or of the wrong type.
    """
    username, session_id, generation = payload.get("sub"), payload.get("sid"), payload.get("gen")
    issued_s, expires_s = payload.get("iat"), payload.get("exp")
    # `bool` is an `int` to isinstance: a claim `true` must not count as generation 1.
    if (
        payload.get("typ") != "access"
        or not isinstance(username, str)
        or not isinstance(session_id, str)
        or type(generation) is not int
        or type(issued_s) is not int
        or type(expires_s) is not int
    ):
        raise TokenRejected
    try:
        issued_at, expires_at = datetime.fromtimestamp(issued_s, UTC), datetime.fromtimestamp(expires_s, UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenRejected from None
    return AccessClaims(username, session_id, generation, issued_at, expires_at)
