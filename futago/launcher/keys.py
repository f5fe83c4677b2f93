"""The suite's own keys, made at the first start and never shown."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from futago.launcher.home import Home, write_private
from shared.onnx.signing import SigningKey, TrustStore


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
    """

    access: Path
    access_public: Path
    identity: Path
    identity_public: Path
    signing: Path


def make_keys(home: Home) -> KeyFiles:
    """Make the keys that are missing, and trust bundles signed by this home."""
    access, access_public = _make_es256(home.keys, "access")
    identity, identity_public = _make_es256(home.keys, "identity")
    signing = home.keys / "signing.pem"
    TrustStore(home.trust).enrol(SigningKey.load_or_create(signing).public_pem())
    return KeyFiles(access, access_public, identity, identity_public, signing)


def _make_es256(folder: Path, name: str) -> tuple[Path, Path]:
    private_path, public_path = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    if private_path.exists() and public_path.exists():
        return private_path, public_path
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(
        private_path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    public_path.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private_path, public_path
