import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jws, jwt

from shared.jwt import MAX_TOKEN_CHARS, InvalidToken, TokenSigner, TokenVerifier

NOW_S = 1_800_000_000
MISSING = Ellipsis


def claims(**changes: Any) -> dict[str, Any]:
    whole = {"iss": "gateway", "aud": "twin", "sub": "anna", "iat": NOW_S, "exp": NOW_S + 60} | changes
    return {name: value for name, value in whole.items() if value is not MISSING}


@pytest.fixture
def signer(key_pair: Any) -> TokenSigner:
    return TokenSigner(key_pair.private)


@pytest.fixture
def verifier(key_pair: Any, clock: Any) -> TokenVerifier:
    return TokenVerifier([key_pair.public], issuer="gateway", audience="twin", clock=clock)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_signed_token_gives_its_claims_back(signer: TokenSigner, verifier: TokenVerifier):
    assert verifier.verify(signer.sign(claims())) == claims()


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "someone"},
        {"iss": MISSING},
        {"aud": "planner"},
        {"aud": ["twin"]},
        {"aud": MISSING},
        {"sub": ""},
        {"sub": 7},
        {"sub": MISSING},
        {"exp": NOW_S},
        {"exp": str(NOW_S + 60)},
        {"exp": True},
        {"exp": NOW_S + 60.5},
        {"exp": MISSING},
        {"iat": NOW_S + 3600},
        {"iat": MISSING},
    ],
    ids=str,
)
def test_one_wrong_claim_is_enough_to_refuse(change: dict[str, Any], signer: TokenSigner, verifier: TokenVerifier):
    with pytest.raises(InvalidToken):
        verifier.verify(signer.sign(claims(**change)))


def test_a_token_signed_by_another_key_is_refused_even_under_our_key_id(
    signer: TokenSigner, verifier: TokenVerifier, make_key_pair: Any
):
    headers = {"kid": signer.jwk["kid"]}
    forged = jwt.encode(claims(), make_key_pair().private.decode(), algorithm="ES256", headers=headers)
    with pytest.raises(InvalidToken):
        verifier.verify(forged)


def test_a_token_signed_with_our_public_key_as_hmac_secret_is_refused(
    signer: TokenSigner, verifier: TokenVerifier, key_pair: Any
):
    # python-jose refuses a PEM as a secret, an attacker's tool does not: sign with the bytes below the armour.
    secret = base64.b64decode(b"".join(key_pair.public.splitlines()[1:-1]))
    forged = jwt.encode(claims(), secret, algorithm="HS256", headers={"kid": signer.jwk["kid"]})
    with pytest.raises(InvalidToken):
        verifier.verify(forged)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(algorithm: str, signer: TokenSigner, verifier: TokenVerifier):
    header = {"alg": algorithm, "kid": signer.jwk["kid"], "typ": "JWT"}
    with pytest.raises(InvalidToken):
        verifier.verify(f"{part(header)}.{part(claims())}.")


def test_an_unknown_critical_extension_is_refused(signer: TokenSigner, verifier: TokenVerifier, key_pair: Any):
    headers = {"kid": signer.jwk["kid"], "crit": ["b64"], "b64": False}
    token = jwt.encode(claims(), key_pair.private.decode(), algorithm="ES256", headers=headers)
    with pytest.raises(InvalidToken):
        verifier.verify(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "ä.ö.ü",
        "x" * (MAX_TOKEN_CHARS + 1),
        part(["not", "an", "object"]) + ".e30.",
        part("text") + ".e30.",
        part({"alg": "ES256"}) + ".e30.",
        part({"alg": "ES256", "kid": ["list"]}) + ".e30.",
        part({"alg": "ES256", "kid": "unknown"}) + ".e30.",
        base64.urlsafe_b64encode(b"[" * 370).decode().rstrip("=") + ".e30.",
        base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("=") + ".e30.",
    ],
)
def test_no_malformed_token_raises_anything_else(token: str, verifier: TokenVerifier):
    with pytest.raises(InvalidToken):
        verifier.verify(token)


@pytest.mark.parametrize("payload", [b"[" * 3000, b'{"exp": Infinity}', b"[]", b"\xff", b'"text"'])
def test_a_signed_payload_that_is_no_claims_set_is_refused(
    payload: bytes, signer: TokenSigner, verifier: TokenVerifier, key_pair: Any
):
    headers = {"kid": signer.jwk["kid"]}
    signed = jws.sign(payload, key_pair.private.decode(), headers=headers, algorithm="ES256")
    with pytest.raises(InvalidToken):
        verifier.verify(signed)


def test_keys_rotate_by_a_longer_list(clock: Any, make_key_pair: Any):
    pairs = [make_key_pair(), make_key_pair()]
    signers = [TokenSigner(pair.private) for pair in pairs]
    both = TokenVerifier([pair.public for pair in pairs], issuer="gateway", audience="twin", clock=clock)
    assert [both.verify(signer.sign(claims()))["sub"] for signer in signers] == ["anna", "anna"]
    assert [key["kid"] for key in both.jwks] == [signer.jwk["kid"] for signer in signers]


def test_a_key_of_another_kind_is_refused_at_start(clock: Any):
    other = rsa.generate_private_key(65537, 2048)
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="P-256"):
        TokenSigner(private)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="P-256"):
        TokenVerifier([public], issuer="gateway", audience="twin", clock=clock)
