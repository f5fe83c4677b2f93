"""The keys in an identity provider's JWK set that its tokens may be verified with."""

import base64
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
# A set is read as far as this; no provider signs with as many.
_MAX_KEYS = 100
_MAX_KEY_ID_CHARS = 256
# NIST SP 800-131A Rev. 2, section 3: shorter ones must not be trusted; longer than the other are only slow.
_RSA_BITS = range(2048, 8193)
_MAX_RSA_EXPONENT = 2**32
_COORDINATE_BYTES = 32


def read_key_set(document: object, algorithms: Collection[str]) -> dict[tuple[str, str], PublicKey]:
    """Read the usable keys of a set, by id and by the one algorithm that each is for.

    A key is for the algorithm that its type has here, whatever a token's header asks for: so an RSA key is never taken
    for a secret of HMAC's. Keys for another use, of another type, too weak or out of shape are passed over.

    Parameters
    ----------
    algorithms
        Those that the provider may sign with.

    Raises
    ------
    ValueError
        If the document is not a JWK set (RFC 7517, section 5), or has no key of use.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("this is no key set")
    found: dict[tuple[str, str], PublicKey] = {}
    for jwk in keys[:_MAX_KEYS]:
        if not isinstance(jwk, dict) or not _is_for_verifying(jwk):
            continue
        try:
            algorithm, key = _read(jwk)
        except ValueError:
            continue
        if algorithm in algorithms and jwk.get("alg", algorithm) == algorithm:
            found.setdefault((jwk["kid"], algorithm), key)
    if not found:
        raise ValueError("no usable key in the set")
    return found


def _is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    key_id, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(key_id, str)
        and 0 < len(key_id) <= _MAX_KEY_ID_CHARS
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # Whoever publishes a private key has none any more.
        and "d" not in jwk
    )


def _read(jwk: Mapping[str, Any]) -> tuple[str, PublicKey]:
    if jwk.get("kty") == "RSA":
        return "RS256", _read_rsa(jwk)
    if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
        x, y = (_number(jwk.get(name), _COORDINATE_BYTES) for name in ("x", "y"))
        # Refuses a point that is not on the curve.
        return "ES256", ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raise ValueError("a key of another type")


def _read_rsa(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    modulus, exponent = (_number(jwk.get(name), _RSA_BITS.stop // 8) for name in ("n", "e"))
    if modulus.bit_length() not in _RSA_BITS or exponent >= _MAX_RSA_EXPONENT:
        raise ValueError("too weak, or too slow")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _number(text: object, longest_bytes: int) -> int:
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("not base64url")
    number = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if not 0 < len(number) <= longest_bytes + 1:
        raise ValueError("too long")
    return int.from_bytes(number)
