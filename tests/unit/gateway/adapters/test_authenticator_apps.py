"""Codes of authenticator apps, against the vectors of the standard."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.gateway.adapters.authenticator_apps import AuthenticatorApps

APPS = AuthenticatorApps()
# RFC 6238, appendix B: the seed of SHA-1, and the last six of each vector's eight digits.
SEED = b"12345678901234567890"
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]


@pytest.mark.parametrize(("unix_s", "code"), VECTORS)
def test_the_codes_are_those_of_the_standard(unix_s: int, code: str):
    now = datetime.fromtimestamp(unix_s, UTC)
    assert APPS.step_of(code, SEED, now) == unix_s // 30


@pytest.mark.parametrize(("off_s", "found"), [(-30, True), (0, True), (59, True), (-90, False), (90, False)])
def test_a_telephone_may_be_one_step_off(off_s: int, found: bool):
    now = datetime.fromtimestamp(1234567890, UTC) + timedelta(seconds=off_s)
    assert (APPS.step_of("005924", SEED, now) is not None) is found


@pytest.mark.parametrize("code", ["", "005925", "5924", "0059240"])
def test_any_other_code_belongs_to_no_step(code: str):
    assert APPS.step_of(code, SEED, datetime.fromtimestamp(1234567890, UTC)) is None


def test_an_app_is_told_what_it_takes_for_granted():
    uri = urlsplit(APPS.uri(SEED, "olga@acme"))
    told = {name: values[0] for name, values in parse_qs(uri.query).items()}
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Futago:olga%40acme")
    assert (told["secret"], told["issuer"]) == (APPS.shown(SEED), "Futago")
    assert told.get("algorithm", "SHA1") == "SHA1"
    assert told.get("digits", "6") == "6"
    assert told.get("period", "30") == "30"
