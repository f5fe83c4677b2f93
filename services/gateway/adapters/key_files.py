"""Signing keys in files, which are replaced while the gateway runs when keys are rotated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.gateway.domain.claims import AUDIENCE, ISSUER, TOKEN_TYPE
from shared.clock import Clock
from shared.errors import JSON
from shared.jwt import TokenSigner, TokenVerifier
from shared.token_keys import read_private_key
from shared.watched_files import WatchedFiles


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """What access tokens are signed and verified with, as of one moment."""

    signer: TokenSigner
    verifier: TokenVerifier


def open_access_keys(
    signing: Path, others: Sequence[Path], clock: Clock, on_fault: Callable[[], None] = lambda: None
) -> WatchedFiles[AccessKeys]:
    """Read the private key that signs access tokens, and the public keys that count beside its own.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read, or holds anything but P-256 keys of its kind.
    """

    def make(contents: Sequence[bytes]) -> AccessKeys:
        return access_keys(contents[0], contents[1:], clock)

    return WatchedFiles([signing, *others], make, clock, on_fault)


def access_keys(private_pem: bytes, public_pems: Sequence[bytes], clock: Clock) -> AccessKeys:
    """Keys of access tokens; the signer's own public half counts, whatever else does.

    Raises
    ------
    ValueError
        If a PEM holds anything but P-256 keys of its kind.
    """
    own = read_private_key(private_pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    verifier = TokenVerifier([own, *public_pems], issuer=ISSUER, audience=AUDIENCE, clock=clock, typ=TOKEN_TYPE)
    return AccessKeys(TokenSigner(private_pem), verifier)


class FileSigner:
    """Signs with the key in a file, also after it was replaced; implements `internal_token.Signer`.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or holds anything but a P-256 private key.
    """

    def __init__(self, path: Path, clock: Clock, on_fault: Callable[[], None] = lambda: None) -> None:
        self._files = WatchedFiles([path], lambda contents: TokenSigner(contents[0]), clock, on_fault)

    @property
    def jwk(self) -> Mapping[str, str]:
        return self._files.current().jwk

    def sign(self, claims: Mapping[str, JSON], *, typ: str) -> str:
        return self._files.current().sign(claims, typ=typ)
