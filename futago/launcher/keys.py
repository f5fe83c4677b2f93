"""The suite's own keys, made at the first start and never shown."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from futago.launcher.home import Home, write_private
from shared.onnx.signing import SigningKey, TrustStore
from shared.token_keys import PublicKey, new_private_key, read_private_key, write_public_keys

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where each key lies.

    Parameters
    ----------
    access, access_public
        The gateway signs its users' tokens (ES256).
    identity, identity_public
        The gateway vouches for a caller towards the services (ES256).
    signing
        Bundles made here are signed with it (Ed25519).
    second_factor
        The gateway encrypts the secrets of its users' authenticator apps with it (AES-256).
    audit
        The gateway signs places in the audit trail with it (ES256); it stays the same when the others are rotated, as
        what it signed is checked for years.
    """

    access: Path
    access_public: Path
    identity: Path
    identity_public: Path
    signing: Path
    second_factor: Path
    audit: Path


def make_keys(home: Home) -> KeyFiles:
    """Make the keys that are missing, and trust bundles signed by this home."""
    files = KeyFiles(
        access=home.keys / "access.pem",
        access_public=home.keys / "access.pub.pem",
        identity=home.keys / "identity.pem",
        identity_public=home.keys / "identity.pub.pem",
        signing=home.keys / "signing.pem",
        second_factor=home.keys / "second-factor.key",
        audit=home.keys / "audit.pem",
    )
    complete_keys(files, home.trust)
    make_public_half(files.audit, home.keys / "audit.pub.pem")
    return files


def complete_keys(files: KeyFiles, trust: Path) -> None:
    """Make the keys that are missing, wherever each is to lie, and trust bundles signed by them; none is replaced."""
    for private, public in ((files.access, files.access_public), (files.identity, files.identity_public)):
        _make_private(private)
        make_public_half(private, public)
    TrustStore(trust).enrol(SigningKey.load_or_create(files.signing).public_pem())
    if not files.second_factor.exists():
        write_private(files.second_factor, secrets.token_hex(_SECRET_BYTES).encode())
    _make_private(files.audit)


def make_public_half(private: Path, public: Path) -> None:
    """Write the public half of a key where it is missing; one that is there may hold further keys, and stays."""
    if not public.exists():
        public.write_bytes(write_public_keys([PublicKey(read_private_key(private.read_bytes()).public_key())]))


def _make_private(path: Path) -> None:
    if not path.exists():
        write_private(path, new_private_key())
