"""Ed25519 keys: one private key that signs bundles, a folder of public keys that are trusted.

Keys rotate by enrolling the next one beside the last: a bundle names the key that signed it, and taking a key's file
out of the folder withdraws it at once.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import AppError, Kind
from shared.log import get_logger
from shared.onnx.errors import BundleAltered, BundleUntrustedKey

_KEY_ID_CHARACTERS = 16

log = get_logger(__name__)


class KeyUnusable(AppError):
    """A key file holds no Ed25519 key of the kind wanted."""

    kind, code = Kind.INVALID, "bundle.key_unusable"


class SigningKey:
    """A private key; the only thing that can make a signature."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.key_id = _key_id(private_key.public_key())

    @classmethod
    def load_or_create(cls, path: Path) -> "SigningKey":
        """Read the key at `path`, or make one there with mode 0600; safe with several processes at once.

        Raises
        ------
        KeyUnusable
            If the file is there and holds no Ed25519 private key in PEM.
        """
        if not path.exists():
            _create_private_key(path)
        try:
            private_key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"{path} holds no unencrypted private key in PEM") from error
        if not isinstance(private_key, Ed25519PrivateKey):
            raise KeyUnusable(f"{path} holds a key that is not Ed25519")
        return cls(private_key)

    def sign(self, message: bytes) -> bytes:
        """Sign the message; 64 bytes."""
        return self._private_key.sign(message)

    def public_pem(self) -> bytes:
        """The public half in PEM, which a `TrustStore` enrols."""
        return _public_pem(self._private_key.public_key())


class TrustStore:
    """A folder of public keys, `<key id>.pem`; a bundle is accepted when one of them signed it.

    The folder is read at each verification, so that a key enrolled or withdrawn counts at once in every process.

    Parameters
    ----------
    further
        Gives more keys in PEM; asked only for a key that the folder has not.
    """

    def __init__(self, folder: Path, further: Callable[[], Iterable[bytes]] = tuple) -> None:
        self._folder, self._further = folder, further

    def enrol(self, public_pem: bytes) -> str:
        """Trust this key from now on; enrolling it again changes nothing. Returns the key id.

        Raises
        ------
        KeyUnusable
            If the bytes hold no Ed25519 public key in PEM.
        """
        public_key = _read_public_key(public_pem, "the public key")
        key_id = _key_id(public_key)
        self._folder.mkdir(parents=True, exist_ok=True)
        _write_new_file(self._folder / f"{key_id}.pem", public_pem, mode=0o644)
        return key_id

    def withdraw(self, key_id: str) -> bool:
        """Take every file of this key out of the folder; whether there was one."""
        files = [path for path, key in self._files() if _key_id(key) == key_id]
        for path in files:
            path.unlink(missing_ok=True)
        return bool(files)

    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys in the folder, sorted."""
        return tuple(sorted(self._keys()))

    def public_keys(self) -> dict[str, str]:
        """The keys in the folder as PEM, by id."""
        return {key_id: _public_pem(key).decode("ascii") for key_id, key in self._keys().items()}

    def verify(self, key_id: str, message: bytes, signature: bytes) -> None:
        """Accept the message only with a signature of the trusted key that is named.

        Raises
        ------
        BundleUntrustedKey
            If no trusted key has this id.
        BundleAltered
            If the key did not sign this message.
        """
        public_key = self._keys().get(key_id) or self._further_keys().get(key_id)
        if public_key is None:
            raise BundleUntrustedKey(
                f"the bundle is signed by key {key_id!r}, which is not trusted here", key_id=key_id
            )
        try:
            public_key.verify(signature, message)
        except InvalidSignature as error:
            raise BundleAltered("the signature does not belong to this manifest", key_id=key_id) from error

    def _keys(self) -> dict[str, Ed25519PublicKey]:
        # The id is computed from the key, never taken from the file name: an administrator may name files freely.
        return {_key_id(key): key for _, key in self._files()}

    def _further_keys(self) -> dict[str, Ed25519PublicKey]:
        keys = (_read_public_key(pem, "an enrolled key") for pem in self._further())
        return {_key_id(key): key for key in keys}

    def _files(self) -> Iterator[tuple[Path, Ed25519PublicKey]]:
        for path in sorted(self._folder.glob("*.pem")):
            try:
                key = _read_public_key(path.read_bytes(), str(path))
            except (KeyUnusable, OSError) as error:
                # One stray file, or one withdrawn at this moment, must not take every model down with it.
                log.warning("trusted_key_not_read", file=str(path), reason=str(error))
            else:
                yield path, key


def key_id_of(public_pem: bytes) -> str:
    """The id of a public key.

    Raises
    ------
    KeyUnusable
        If the bytes hold no Ed25519 public key in PEM.
    """
    return _key_id(_read_public_key(public_pem, "the public key"))


def _key_id(public_key: Ed25519PublicKey) -> str:
    raw = public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:_KEY_ID_CHARACTERS]


def _public_pem(public_key: Ed25519PublicKey) -> bytes:
    return public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read_public_key(pem: bytes, what: str) -> Ed25519PublicKey:
    try:
        public_key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{what} is no public key in PEM") from error
    if not isinstance(public_key, Ed25519PublicKey):
        raise KeyUnusable(f"{what} is not an Ed25519 key")
    return public_key


def _create_private_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new_file(path, pem, mode=0o600)


def _write_new_file(path: Path, data: bytes, *, mode: int) -> None:
    """Write a complete file or none; where another process was first, its file stays."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        Path(temporary).unlink()
