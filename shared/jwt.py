"""Signed tokens (JWS, RFC 7515/7519) with one algorithm and no forgiveness.

python-jose accepts more than it should: a missing `aud`, a string `exp`, a foreign algorithm when the key comes as
DER. So the algorithm is pinned here and bound to the key's id, every claim is required and type-checked, the length is
capped before anything is parsed, and whatever goes wrong is the same error.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Never

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jose import jws
from jose.backends import ECKey
from jose.exceptions import JOSEError

from shared.clock import Clock
from shared.errors import JSON, AppError, Kind

ALGORITHM = "ES256"
MAX_TOKEN_CHARS = 8192
_MAX_HEADER_CHARS = 512
_LEEWAY_S = 5


class InvalidToken(AppError):
    """The token is missing, malformed, expired, foreign or forged; the caller is not told which."""

    kind, code = Kind.UNAUTHENTICATED, "auth.invalid_token"

    def __init__(self) -> None:
        super().__init__("the token is missing, expired or not valid here")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(public_key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public key as a JWK, its `kid` the RFC 7638 thumbprint."""
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    members = {"crv": "P-256", "kty": "EC", "x": _base64url(point[1:33]), "y": _base64url(point[33:65])}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return members | {"kid": _base64url(thumbprint), "alg": ALGORITHM, "use": "sig"}


class TokenSigner:
    """Signs claims with one P-256 private key.

    Raises
    ------
    ValueError
        If the PEM holds anything but a P-256 private key.
    """

    def __init__(self, private_pem: bytes) -> None:
        key = load_pem_private_key(private_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("tokens are signed with a P-256 private key (PEM)")
        self.jwk = public_jwk(key.public_key())
        self._key = ECKey(key, ALGORITHM)
        self._headers = {"kid": self.jwk["kid"]}

    def sign(self, claims: Mapping[str, JSON]) -> str:
        """Sign the claims as they are; the caller sets `iss`, `aud`, `sub`, `iat` and `exp`."""
        return str(jws.sign(dict(claims), self._key, headers=self._headers, algorithm=ALGORITHM))


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, signed by any of the given keys (rotation is a longer list).

    Raises
    ------
    ValueError
        If a PEM holds anything but a P-256 public key.
    """

    def __init__(self, public_pems: Sequence[bytes], *, issuer: str, audience: str, clock: Clock) -> None:
        self._issuer, self._audience, self._clock = issuer, audience, clock
        self._keys: dict[str, Any] = {}
        self.jwks: list[dict[str, str]] = []
        for pem in public_pems:
            key = load_pem_public_key(pem)
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
                raise ValueError("tokens are verified with P-256 public keys (PEM)")
            jwk = public_jwk(key)
            self.jwks.append(jwk)
            self._keys[jwk["kid"]] = ECKey(key, ALGORITHM)

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
        try:
            claims = self._claims(token)
        except (JOSEError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
            raise InvalidToken from error
        now_s = self._clock.now().timestamp()
        if not (
            isinstance(claims, dict)
            and claims.get("iss") == self._issuer
            and claims.get("aud") == self._audience
            and isinstance(claims.get("sub"), str)
            and claims["sub"]
            and type(claims.get("exp")) is int
            and type(claims.get("iat")) is int
            and claims["exp"] > now_s
            and claims["iat"] <= now_s + _LEEWAY_S
        ):
            raise InvalidToken
        return claims

    def _claims(self, token: str) -> Any:
        if len(token) > MAX_TOKEN_CHARS or token.count(".") != 2:
            raise InvalidToken
        encoded_header = token.partition(".")[0]
        if len(encoded_header) > _MAX_HEADER_CHARS:
            raise InvalidToken
        header = json.loads(base64.urlsafe_b64decode(encoded_header + "=" * (-len(encoded_header) % 4)))
        # `crit` names extensions a verifier must understand; we understand none.
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise InvalidToken
        payload = jws.verify(token, self._keys[header["kid"]], algorithms=[ALGORITHM])
        return json.loads(payload, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")
