"""Codes as they are typed, and recovery codes as they are kept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.second_factor import is_app_code, new_recovery_codes, recovery_digest
from tests.unit.gateway.fakes import Entropy


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("123456", True),
        ("123 456", True),
        (" 123-456\n", True),
        ("12345", False),
        ("1234567", False),
        ("\uff11\uff12\uff13\uff14\uff15\uff16", False),
    ],
)
def test_six_digits_however_grouped_are_an_apps_code(text: str, app: bool):
    assert is_app_code(text) is app


def test_recovery_codes_are_ten_long_and_different():
    codes = new_recovery_codes(Entropy())
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([A-Z2-7]{4}-){5}[A-Z2-7]{4}", code) for code in codes)


@given(st.binary(min_size=15, max_size=15))
def test_a_recovery_code_is_known_again_however_it_is_typed(random: bytes):
    code = new_recovery_codes(lambda _size: random)[0]
    typed = {code, code.lower(), code.replace("-", ""), code.replace("-", " "), f"  {code}\n"}
    assert len({recovery_digest(text) for text in typed}) == 1


@given(st.text(max_size=40))
def test_any_other_text_has_no_digest_or_one_of_its_own(text: str):
    assert recovery_digest(text) in {None, recovery_digest(text.upper())}
    assert recovery_digest("not a code") is None
