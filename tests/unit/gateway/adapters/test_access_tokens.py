"""Forged, bent and oversized access tokens: each is the same refusal."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.domain.claims import AUDIENCE, ISSUER, AccessClaims, from_payload, to_payload
from services.gateway.domain.errors import TokenRejected
from shared.errors import AppError, Kind
from shared.internal_token import InternalTokenSigner
from shared.jwt import TokenSigner, TokenVerifier
from tests.unit.gateway.fakes import NOW, FakeClock, principal


def key_pair() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


PRIVATE, PUBLIC = key_pair()
STRANGER, _ = key_pair()
SIGNER = TokenSigner(PRIVATE)
CLOCK = FakeClock()
TOKENS = AccessTokens(SIGNER, TokenVerifier([PUBLIC], issuer=ISSUER, audience=AUDIENCE, clock=CLOCK))
CLAIMS = AccessClaims("olga", "s1", 3, NOW, NOW + timedelta(minutes=10))
PAYLOAD = to_payload(CLAIMS, "t1")


def encoded(document: object) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def unsigned(header: object, payload: object = PAYLOAD, signature: str = "") -> str:
    return f"{encoded(header)}.{encoded(payload)}.{signature}"


def confused(secret: bytes) -> str:
    """An HS256 token whose secret is the public key, for a verifier that lets the token choose."""
    head = f"{encoded({'alg': 'HS256', 'kid': SIGNER.jwk['kid']})}.{encoded(PAYLOAD)}"
    digest = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def without(*names: str) -> str:
    return SIGNER.sign({name: value for name, value in PAYLOAD.items() if name not in names})


def claiming(**claims: object) -> str:
    return SIGNER.sign({**PAYLOAD, **claims})


GENUINE = TOKENS.issue(CLAIMS)
HEADER, BODY, SIGNATURE = GENUINE.split(".")
KID = SIGNER.jwk["kid"]
SECONDS = int(NOW.timestamp())
FORGERIES: dict[str, str | Callable[[], str]] = {
    "empty": "",
    "dots": "..",
    "words": "not a token",
    "four parts": f"{GENUINE}.{SIGNATURE}",
    "five parts": "a.b.c.d.e",
    "no signature": f"{HEADER}.{BODY}.",
    "half a signature": GENUINE[:-20],
    "another payload": f"{HEADER}.{encoded({**PAYLOAD, 'sub': 'root'})}.{SIGNATURE}",
    "alg none": unsigned({"alg": "none", "kid": KID}),
    "alg None": unsigned({"alg": "None", "kid": KID}),
    "alg missing": unsigned({"kid": KID}, signature=SIGNATURE),
    "alg a list": unsigned({"alg": ["ES256"], "kid": KID}, signature=SIGNATURE),
    "HS256 with the public key": confused(PUBLIC),
    "HS256 with an empty secret": confused(b""),
    "alg ES384": unsigned({"alg": "ES384", "kid": KID}, signature=SIGNATURE),
    "a stranger's key": TokenSigner(STRANGER).sign(PAYLOAD),
    "kid unknown": unsigned({"alg": "ES256", "kid": "x"}, signature=SIGNATURE),
    "kid missing": unsigned({"alg": "ES256"}, signature=SIGNATURE),
    "kid a path": unsigned({"alg": "ES256", "kid": "../../dev/null"}, signature=SIGNATURE),
    "kid an object": unsigned({"alg": "ES256", "kid": {}}, signature=SIGNATURE),
    "a key brought along": unsigned({"alg": "ES256", "jwk": SIGNER.jwk}, signature=SIGNATURE),
    "crit": unsigned({"alg": "ES256", "kid": KID, "crit": ["x"]}, signature=SIGNATURE),
    "a nested header": unsigned("[" * 5000 + "]" * 5000),
    "a long header": unsigned({"alg": "ES256", "kid": KID, "x": "a" * 5000}, signature=SIGNATURE),
    "a header that is a list": unsigned([], signature=SIGNATURE),
    "a header that is null": unsigned("null", signature=SIGNATURE),
    "huge": GENUINE + "a" * 100_000,
    "aud missing": without("aud"),
    "aud of a service": claiming(aud="twin"),
    "aud a list": claiming(aud=[AUDIENCE]),
    "iss missing": without("iss"),
    "iss of another": claiming(iss="futago-gateway"),
    "exp missing": without("exp"),
    "exp a text": claiming(exp=str(SECONDS + 600)),
    "exp a fraction": claiming(exp=SECONDS + 600.5),
    "exp infinite": claiming(exp=float("inf")),
    "exp not a number": claiming(exp=float("nan")),
    "exp true": claiming(exp=True),
    "exp beyond all calendars": claiming(exp=10**30),
    "expired": claiming(exp=SECONDS),
    "iat missing": without("iat"),
    "issued tomorrow": claiming(iat=SECONDS + 86_400),
    "sub missing": without("sub"),
    "sub empty": claiming(sub=""),
    "sub a number": claiming(sub=1),
    "sid missing": without("sid"),
    "sid a list": claiming(sid=["s1"]),
    "gen missing": without("gen"),
    "gen true": claiming(gen=True),
    "gen a text": claiming(gen="3"),
    "typ missing": without("typ"),
    "typ of a refresh token": claiming(typ="refresh"),
    "a services own token": lambda: InternalTokenSigner(SIGNER, CLOCK).sign(principal(), AUDIENCE),
    "a payload that is a list": SIGNER.sign({}),
}


def test_a_genuine_token_says_what_was_signed():
    assert TOKENS.read(GENUINE) == CLAIMS


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused_and_nothing_else(name: str):
    forgery = FORGERIES[name]
    with pytest.raises(AppError) as refused:
        TOKENS.read(forgery if isinstance(forgery, str) else forgery())
    assert refused.value.kind is Kind.UNAUTHENTICATED


@given(st.integers(0, len(GENUINE) - 1), st.characters(codec="ascii"))
def test_no_change_of_one_character_passes(position: int, character: str):
    changed = GENUINE[:position] + character + GENUINE[position + 1 :]
    try:
        claims = TOKENS.read(changed)
    except AppError:
        return
    # The last character of a part holds bits that no byte uses: the token is the same.
    assert claims == CLAIMS


@given(st.text(max_size=300))
def test_no_text_does_anything_but_be_refused(text: str):
    with pytest.raises(AppError) as refused:
        TOKENS.read(text)
    assert refused.value.kind is Kind.UNAUTHENTICATED


def test_a_token_ends_to_the_second():
    clock = FakeClock()
    tokens = AccessTokens(SIGNER, TokenVerifier([PUBLIC], issuer=ISSUER, audience=AUDIENCE, clock=clock))
    clock.advance(minutes=10, milliseconds=-1)
    assert tokens.read(GENUINE) == CLAIMS
    clock.advance(milliseconds=1)
    with pytest.raises(AppError):
        tokens.read(GENUINE)


def test_tokens_of_a_key_on_its_way_out_still_count():
    private, public = key_pair()
    verifier = TokenVerifier([public, PUBLIC], issuer=ISSUER, audience=AUDIENCE, clock=CLOCK)
    rotated = AccessTokens(TokenSigner(private), verifier)
    assert rotated.read(GENUINE) == CLAIMS
    assert rotated.read(rotated.issue(CLAIMS)) == CLAIMS
    assert len(rotated.public_keys.jwks) == 2
    assert all("d" not in jwk for jwk in rotated.public_keys.jwks)


def test_two_tokens_of_one_moment_are_not_the_same():
    assert TOKENS.issue(CLAIMS) != TOKENS.issue(CLAIMS)


@pytest.mark.parametrize("seconds", [10**17, -(10**17)])
def test_times_no_calendar_holds_are_refused(seconds: int):
    with pytest.raises(TokenRejected):
        from_payload({**PAYLOAD, "exp": seconds})
