"""Which implementation of ECDSA signs and verifies: python-jose also depends on one that leaks its keys by timing."""

import subprocess
import sys

from jose.backends import ECKey, RSAKey
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyRSAKey

ISSUES = """
import sys
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from shared.jwt import TokenSigner
key = ec.generate_private_key(ec.SECP256R1())
TokenSigner(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())).sign({"sub": "ada"}, typ="at+jwt")
print(*sorted({"ecdsa", "rsa"} & set(sys.modules)))
"""


def test_tokens_are_signed_by_the_audited_library():
    assert (ECKey, RSAKey) == (CryptographyECKey, CryptographyRSAKey)


def test_signing_a_token_loads_neither_ecdsa_nor_rsa():
    # CVE-2024-23342: ecdsa will not be mended, and its presence is accepted only because nothing loads it.
    loaded = subprocess.run([sys.executable, "-c", ISSUES], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == ""
