"""Keys that sign and verify tokens, as they lie in files.

A file of public keys holds one PEM block or several. What stands between the blocks belongs to no key (RFC 7468,
section 5.2), so a line `# until 2026-04-01T00:00:00Z` above a block says when its key stops counting: a key can be
retired ahead of time, and nobody has to come back for it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

ALGORITHM = "ES256"
_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\n?", re.DOTALL)
_UNTIL = re.compile(r"^# until (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 key that tokens are verified with.

    Parameters
    ----------
    until
        When it stops counting; `None` where nobody has said so yet.
    """

    key: ec.EllipticCurvePublicKey
    until: datetime | None = None

    @property
    def jwk(self) -> dict[str, str]:
        """The key as a JWK, its `kid` the RFC 7638 thumbprint."""
        return public_jwk(self.key)

    @property
    def key_id(self) -> str:
        """The `kid` of tokens that this key verifies."""
        return self.jwk["kid"]

    def counts_at(self, moment: datetime) -> bool:
        """Whether the key is not retired yet."""
        return self.until is None or moment < self.until


def base64url(data: bytes) -> str:
    """Write bytes as JOSE does: without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(public_key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public key as a JWK, its `kid` the RFC 7638 thumbprint."""
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    members = {"crv": "P-256", "kty": "EC", "x": base64url(point[1:33]), "y": base64url(point[33:65])}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return members | {"kid": base64url(thumbprint), "alg": ALGORITHM, "use": "sig"}


def new_private_key() -> bytes:
    """Make a P-256 private key (PEM, PKCS #8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read the key that tokens are signed with.

    Raises
    ------
    ValueError
        If the PEM holds anything but a P-256 private key.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        # What `cryptography` says of a key that is locked with a password.
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("tokens are signed with a P-256 private key (PEM)")
    return key


def read_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """Read the keys that tokens are verified with.

    Raises
    ------
    ValueError
        If there is none, one is anything but a P-256 public key, or a time above one cannot be read.
    """
    keys, end = [], 0
    for block in _BLOCK.finditer(pem):
        key = load_pem_public_key(block.group())
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("tokens are verified with P-256 public keys (PEM)")
        keys.append(PublicKey(key, _until(pem[end : block.start()])))
        end = block.end()
    if not keys:
        raise ValueError("there is no P-256 public key (PEM) in it")
    return tuple(keys)


def write_public_keys(keys: Iterable[PublicKey]) -> bytes:
    """Write the keys as `read_public_keys` reads them."""
    return b"".join(
        (b"" if key.until is None else f"# until {key.until.astimezone(UTC).isoformat()}\n".encode())
        + key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in keys
    )


def _until(above: bytes) -> datetime | None:
    said = _UNTIL.findall(above.decode("utf-8"))
    if not said:
        return None
    until = datetime.fromisoformat(said[-1])
    if until.tzinfo is None:
        raise ValueError(f"name the time zone of {said[-1]!r}, as in 2026-04-01T00:00:00Z")
    return until
