"""Keys that sign places in the audit chain: ES256, the key of a seal named by its RFC 7638 thumbprint."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from services.gateway.domain.audit import Head
from services.gateway.domain.audit_seals import Seal, SealKind, Trust, message
from shared.token_keys import public_jwk

_ALGORITHM = ec.ECDSA(SHA256())


class SealKey:
    """A private key; implements `audit_seals.Sealer`.

    Raises
    ------
    ValueError
        If the PEM holds anything but a P-256 private key.
    """

    def __init__(self, private_pem: bytes) -> None:
        key = load_pem_private_key(private_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the audit trail is signed with a P-256 private key (PEM)")
        self._key = key
        self.public_key = key.public_key()
        self._key_id = public_jwk(self.public_key)["kid"]

    def seal(self, kind: SealKind, head: Head, at: datetime) -> Seal:
        signature = self._key.sign(message(kind, head, at), _ALGORITHM)
        return Seal(kind, head, at, self._key_id, base64.urlsafe_b64encode(signature).decode())


class SealKeys:
    """Public keys; implements `audit_seals.SealJudge`."""

    def __init__(self, public_keys: Iterable[ec.EllipticCurvePublicKey]) -> None:
        self._keys = {public_jwk(key)["kid"]: key for key in public_keys}

    def judge(self, seal: Seal) -> Trust:
        key = self._keys.get(seal.key_id)
        if key is None:
            return Trust.UNKNOWN_KEY
        try:
            signature = base64.b64decode(seal.signature, altchars=b"-_", validate=True)
            key.verify(signature, message(seal.kind, seal.head, seal.at), _ALGORITHM)
        except (binascii.Error, ValueError, InvalidSignature):
            return Trust.FORGED
        return Trust.GENUINE


def open_seal_keys(signing: SealKey, others: Iterable[Path]) -> SealKeys:
    """The keys that seals are checked with: the signing key's own public half, and those in files.

    Raises
    ------
    ValueError
        If a file holds anything but a P-256 public key.
    """
    return SealKeys([signing.public_key, *(read_seal_key(path.read_bytes()) for path in others)])


def read_seal_key(public_pem: bytes) -> ec.EllipticCurvePublicKey:
    """A public key that seals are checked with.

    Raises
    ------
    ValueError
        If the PEM holds anything but a P-256 public key.
    """
    key = load_pem_public_key(public_pem)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("signatures of the audit trail are checked with P-256 public keys (PEM)")
    return key
