"""Signed tokens (JWS, RFC 7515/7519) with one algorithm and no forgiveness.

python-jose accepts more than it should: a missing `aud`, a string `exp`, a foreign algorithm when the key comes as
DER. So the algorithm is pinned here and bound to the key's id, the header holds what ours hold and nothing else, every
claim is required and type-checked, the length is capped before anything is parsed, a token has one way to be written,
and whatever goes wrong is the same error (RFC 8725; OWASP ASVS 5, 9.1 and 9.2).
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Never

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jws
from jose.backends import ECKey, RSAKey
from jose.exceptions import JOSEError

from shared.clock import Clock
from shared.errors import JSON, AppError, Kind
from shared.token_keys import ALGORITHM, PublicKey, base64url, public_jwk, read_private_key, read_public_keys

MAX_TOKEN_CHARS = 8192
# The type of a token that is for nothing in particular.
PLAIN = "JWT"
# Two machines' clocks may differ by this much: a token may be that new, or begin to count that late [s]. Nothing is
# added to its end: a clock that is ahead costs a caller the last seconds of a token, never the other way round.
LEEWAY_S = 5
# No token of ours is made to live longer [s].
LONGEST_LIFE_S = 3600
# An ES256 signature is two numbers of 32 bytes, which base64url writes with 86 characters.
_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]{1,7592})\.([A-Za-z0-9_-]{86})")
# Order of the group of P-256 (NIST SP 800-186, section 3.2.1.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# As `_COMPACT`, for tokens of others: with RSA, up to 8192 bits.
_FOREIGN = re.compile(r"([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]{1,7592})\.([A-Za-z0-9_-]{86,1366})")
_MALFORMED = (JOSEError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError)


class InvalidToken(AppError):
    """The token is missing, malformed, expired, foreign or forged; the caller is not told which."""

    kind, code = Kind.UNAUTHENTICATED, "auth.invalid_token"

    def __init__(self) -> None:
        super().__init__("the token is missing, expired or not valid here")


class TokenSigner:
    """Signs claims with one P-256 private key.

    Raises
    ------
    ValueError
        If the PEM holds anything but a P-256 private key.
    """

    def __init__(self, private_pem: bytes) -> None:
        key = read_private_key(private_pem)
        self.jwk = public_jwk(key.public_key())
        self._key = ECKey(key, ALGORITHM)

    def sign(self, claims: Mapping[str, JSON], *, typ: str = PLAIN) -> str:
        """Sign the claims as they are; the caller sets `iss`, `aud`, `sub`, `iat` and `exp`.

        Parameters
        ----------
        typ
            What the token is for (RFC 8725, section 3.11): none passes for one of another kind.
        """
        headers = {"kid": self.jwk["kid"], "typ": typ}
        token = str(jws.sign(dict(claims), self._key, headers=headers, algorithm=ALGORITHM))
        signed, _, signature = token.rpartition(".")
        return f"{signed}.{base64url(_lower(_decode(signature)))}"


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, signed by any of the given keys (rotation is a longer list).

    Parameters
    ----------
    public_pems
        Each holds one key or several; see `shared.token_keys`.
    typ
        What the tokens must be for.

    Raises
    ------
    ValueError
        If a PEM holds anything but P-256 public keys.
    """

    def __init__(
        self, public_pems: Sequence[bytes], *, issuer: str, audience: str, clock: Clock, typ: str = PLAIN
    ) -> None:
        self._issuer, self._audience, self._typ, self._clock = issuer, audience, typ, clock
        self._keys: dict[str, tuple[PublicKey, Any]] = {}
        for key in (key for pem in public_pems for key in read_public_keys(pem)):
            # Of a key that stands there twice, the first one counts: the signer's own, which no file can retire.
            self._keys.setdefault(key.key_id, (key, ECKey(key.key, ALGORITHM)))

    @property
    def jwks(self) -> list[dict[str, str]]:
        """The keys that count now."""
        now = self._clock.now()
        return [key.jwk for key, _ in self._keys.values() if key.counts_at(now)]

    def verify(self, token: str) -> Mapping[str, Any]:
        """Check signature, issuer, audience and times.

        Returns
        -------
        The claims; `sub` is a non-empty string, `iat` and `exp` are whole seconds [s since 1970].

        Raises
        ------
        InvalidToken
            Whatever is wrong with it.
        """
        now = self._clock.now()
        try:
            claims = self._claims(token, now)
        except _MALFORMED as error:
            raise InvalidToken from error
        if not (
            isinstance(claims, dict)
            and all(map(_is_flat, claims.values()))
            and claims.get("iss") == self._issuer
            and claims.get("aud") == self._audience
            and isinstance(claims.get("sub"), str)
            and claims["sub"]
            and in_time(claims, now.timestamp())
        ):
            raise InvalidToken
        return claims

    def _claims(self, token: str, now: datetime) -> Any:
        parts = _COMPACT.fullmatch(token)
        if parts is None or len(token) > MAX_TOKEN_CHARS:
            raise InvalidToken
        header, payload, signature = map(_decode, parts.groups())
        if _lower(signature) != signature:
            raise InvalidToken
        named = _parse(header)
        # No room for `jku`, `jwk`, `x5u`, `crit`, `zip` and whatever else would have the sender choose how it is read.
        if named.keys() != {"alg", "kid", "typ"} or named["alg"] != ALGORITHM or named["typ"] != self._typ:
            raise InvalidToken
        key, verifying = self._keys[named["kid"]]
        if not key.counts_at(now):
            raise InvalidToken
        jws.verify(token, verifying, algorithms=[ALGORITHM])
        return _parse(payload)


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """A token that somebody else signed, taken apart; nothing in it is verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_foreign(token: str) -> ForeignToken:
    """Take a token of another issuer apart, to see whose it says it is.

    Raises
    ------
    InvalidToken
        If it is not a signed token, or asks for extensions (`crit`): we understand none.
    """
    parts = _FOREIGN.fullmatch(token)
    if parts is None or len(token) > MAX_TOKEN_CHARS:
        raise InvalidToken
    try:
        header, claims = _parse(_decode(parts[1])), _parse(_decode(parts[2]))
        _decode(parts[3])
    except _MALFORMED as error:
        raise InvalidToken from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
        raise InvalidToken
    return ForeignToken(header, claims)


def check_signature(token: str, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, algorithm: str) -> None:
    """Check a signature with one key, by the one algorithm that this key is for.

    Raises
    ------
    InvalidToken
        If the token names another algorithm, or the signature is another's.
    """
    verifying: Any = RSAKey if isinstance(key, rsa.RSAPublicKey) else ECKey
    try:
        jws.verify(token, verifying(key, algorithm), algorithms=[algorithm])
    except _MALFORMED as error:
        raise InvalidToken from error


def in_time(
    claims: Mapping[str, Any], now_s: float, *, leeway_s: int = LEEWAY_S, longest_life_s: int = LONGEST_LIFE_S
) -> bool:
    """Whether `iat` and `exp`, and `nbf` where there is one, are whole seconds and include this moment.

    Parameters
    ----------
    now_s
        Seconds since 1970 [s].
    leeway_s
        How far the clock of whoever signs may be ahead [s].
    longest_life_s
        A token that is to live longer does not count at all [s].
    """
    issued_s, expires_s, begins_s = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    # `bool` is an `int` to isinstance: a claim `true` is not a time.
    return (
        type(issued_s) is int
        and type(expires_s) is int
        and type(begins_s) is int
        and 0 <= issued_s <= now_s + leeway_s
        and begins_s <= now_s + leeway_s
        and now_s < expires_s <= issued_s + longest_life_s
    )


def _is_flat(value: object) -> bool:
    """No claim of ours is more than a list of texts."""
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return not isinstance(value, dict)


def _lower(signature: bytes) -> bytes:
    """The one of the two signatures `(r, s)` and `(r, n - s)` that we take: both would verify."""
    s = int.from_bytes(signature[32:])
    return signature[:32] + min(s, abs(_ORDER - s)).to_bytes(32)


def _decode(part: str) -> bytes:
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64url(data) != part:
        raise ValueError("the base64 has unused bits that are not zero")
    return data


def _parse(text: bytes) -> Any:
    return json.loads(text.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse, parse_float=_refuse)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice: readers would disagree about its value")
    return found


def _refuse(number: str) -> Never:
    raise ValueError(f"{number[:40]} is not a number that our tokens contain")
