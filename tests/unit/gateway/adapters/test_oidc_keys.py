"""Which keys of a provider's set its tokens may be verified with."""

import pytest

from services.gateway.adapters.oidc_keys import read_key_set
from tests.unit.gateway.oidc import base64url, ec_key, number, rsa_key

RSA = rsa_key()
EC = ec_key()
BOTH = frozenset({"RS256", "ES256"})


def test_each_key_is_for_the_algorithm_of_its_type():
    found = read_key_set({"keys": [RSA.jwk(), EC.jwk(), RSA.jwk(kid="r2", alg=None, use=None)]}, BOTH)
    assert found.keys() == {("r1", "RS256"), ("e1", "ES256"), ("r2", "RS256")}
    assert found["r1", "RS256"].public_numbers() == RSA.private.public_key().public_numbers()


def test_keys_for_algorithms_that_are_not_wanted_are_passed_over():
    assert read_key_set({"keys": [RSA.jwk(), EC.jwk()]}, {"ES256"}).keys() == {("e1", "ES256")}


@pytest.mark.parametrize(
    "jwk",
    [
        RSA.jwk(use="enc"),
        RSA.jwk(key_ops=["encrypt"]),
        RSA.jwk(key_ops="verify"),
        RSA.jwk(alg="RS512"),
        RSA.jwk(alg="HS256"),
        RSA.jwk(alg="ES256"),
        EC.jwk(alg="RS256"),
        RSA.jwk(kid=None),
        RSA.jwk(kid=""),
        RSA.jwk(kid=7),
        RSA.jwk(d="a private key"),
        RSA.jwk(n=number(2**2046 + 1)),
        RSA.jwk(n=number(2**8193 + 1)),
        RSA.jwk(n="not base64url!"),
        RSA.jwk(n=None),
        RSA.jwk(e=number(2**64 + 1)),
        RSA.jwk(e=number(2)),
        EC.jwk(crv="P-384"),
        EC.jwk(x=base64url(bytes(32))),
        EC.jwk(y=7),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "o1", "alg": "HS256"},
        {"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes(32)), "kid": "k1"},
        {},
        "a key",
        None,
    ],
)
def test_what_is_weak_bent_or_for_another_use_is_passed_over(jwk: object):
    assert read_key_set({"keys": [jwk, RSA.jwk(kid="good")]}, BOTH).keys() == {("good", "RS256")}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [RSA.jwk(use="enc")]}, "keys"])
def test_a_document_without_a_usable_key_is_no_key_set(document: object):
    with pytest.raises(ValueError, match="key"):
        read_key_set(document, BOTH)
