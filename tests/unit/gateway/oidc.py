"""An identity provider of the test's own: its keys, its tokens and the documents it serves."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.gateway.domain.external_identity import IdentityProvider, TokenUse
from shared.principal import Role
from tests.unit.gateway.fakes import NOW

ISSUER = "https://sso.example.com/realms/plant"
PROVIDER = IdentityProvider(
    name="sso",
    issuer=ISSUER,
    audience="futago",
    algorithms=frozenset({"RS256", "ES256"}),
    token_use=TokenUse.ACCESS_TOKEN,
    leeway_s=10,
    role_claim=("realm_access", "roles"),
    roles={"futago-watch": Role.VIEWER, "futago-run": Role.OPERATOR, "futago-own": Role.ADMIN},
    assets_claim=None,
    name_claim=("preferred_username",),
    required={},
)
NOW_S = int(NOW.timestamp())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(document: object) -> str:
    return base64url((document if isinstance(document, str) else json.dumps(document)).encode())


def number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8))


def claims(**changes: object) -> dict[str, object]:
    """What an access token says, unless told otherwise; `None` leaves a claim out."""
    plain: dict[str, object] = {
        "iss": ISSUER,
        "aud": "futago",
        "sub": "f81d4fae-7dec",
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "preferred_username": "Olga",
        "realm_access": {"roles": ["offline_access", "futago-run"]},
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its id."""

    key_id: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **changes: object) -> dict[str, object]:
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = self.private.public_key().public_numbers()
            members: dict[str, object] = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        else:
            point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            members = {"kty": "EC", "crv": "P-256", "x": base64url(point[1:33]), "y": base64url(point[33:])}
        whole = members | {"kid": self.key_id, "use": "sig", "alg": self.algorithm} | changes
        return {name: value for name, value in whole.items() if value is not None}

    def sign(self, payload: object, **header: object) -> str:
        """A token; `None` leaves a member of the header out."""
        whole = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"} | header
        head = part({name: value for name, value in whole.items() if value is not None})
        text = f"{head}.{part(payload)}"
        return f"{text}.{base64url(self._signature(text.encode()))}"

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def confused(key: SigningKey, secret: bytes) -> str:
    """A token signed with HMAC whose secret is the public key, for a verifier that lets the token choose."""
    text = f"{part({'alg': 'HS256', 'kid': key.key_id, 'typ': 'JWT'})}.{part(claims())}"
    # Longer than an HMAC is, so that it is not turned away for its length alone.
    digest = hmac.new(secret, text.encode(), hashlib.sha512).digest()
    return f"{text}.{base64url(digest)}"


def rsa_key(key_id: str = "r1") -> SigningKey:
    return SigningKey(key_id, rsa.generate_private_key(65537, 2048))


def ec_key(key_id: str = "e1") -> SigningKey:
    return SigningKey(key_id, ec.generate_private_key(ec.SECP256R1()))
