"""Secrets that have to be read again, encrypted at rest with a key of the deployment: AES-256-GCM by `cryptography`.

A password can be kept as a hash, the secret of an authenticator app cannot: its codes are computed from it.
"""

import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.domain.factor_errors import SecondFactorUnreadable

# NIST SP 800-38D, section 8.2.2: random nonces of 96 bits; a key is good for 2^32 of them.
_NONCE_BYTES = 12
_KEY = re.compile(rb"\s*[0-9a-fA-F]{64}\s*")


class SecretBox:
    """Implements `second_factor.Seals`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def read(cls, path: Path) -> "SecretBox":
        """Read the key from its file.

        Raises
        ------
        ValueError
            If the file holds anything but 64 hexadecimal digits.
        """
        content = path.read_bytes()
        if _KEY.fullmatch(content) is None:
            raise ValueError("it must hold 64 hexadecimal digits, as `openssl rand -hex 32` writes them")
        return cls(bytes.fromhex(content.decode("ascii")))

    def seal(self, secret: bytes, owner: str) -> bytes:
        """Encrypt; the outcome opens for this owner only, so that one row's secret is of no use in another."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt.

        Raises
        ------
        SecondFactorUnreadable
            If it was sealed with another key or for another owner, or was changed since.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):
            raise SecondFactorUnreadable from None
