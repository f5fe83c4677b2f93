"""Signing keys in files."""

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.gateway.domain.claims import AUDIENCE, ISSUER
from shared.clock import Clock
from shared.jwt import TokenSigner, TokenVerifier


def open_signer(path: Path) -> TokenSigner:
    """Read the private key that tokens are signed with.

    Raises
    ------
    ValueError
        If the file holds anything but a P-256 private key.
    """
    return TokenSigner(path.read_bytes())


def open_verifier(signing: Path, others: Iterable[Path], clock: Clock) -> TokenVerifier:
    """Read the keys that access tokens are verified with: the signing key's own public half, and others.

    Raises
    ------
    ValueError
        If a file holds anything but a P-256 key of its kind.
    """
    private = load_pem_private_key(signing.read_bytes(), password=None)
    own = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pems = [own, *(path.read_bytes() for path in others)]
    return TokenVerifier(pems, issuer=ISSUER, audience=AUDIENCE, clock=clock)
