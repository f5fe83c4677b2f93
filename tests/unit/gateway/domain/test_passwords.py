"""The password policy."""

import pytest

from services.gateway.domain.errors import PasswordRefused
from services.gateway.domain.passwords import MAX_BYTES, check_password, is_checkable


@pytest.mark.parametrize(
    "password",
    [
        "a long walk by the river",
        "fifteen chars ok"[:15],
        "水が流れる川の岸辺を歩く夕暮れ時",
        "no Digits nor Symbols",
        "admin of river boats 77",
        "x1!" * 300 + "abcd",
    ],
)
def test_a_long_password_of_any_composition_is_taken(password: str):
    check_password(password, "olga")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("fourteen chars", "at least 15 characters"),
        ("é" * 513, "at most 1024 bytes"),
        ("passwordpassword", "guessed first"),
        ("PASSWORD-password", "guessed first"),
        ("aaaaaaaaaaaaaaaaaaaa", "different characters"),
        ("ababababababababab", "different characters"),
        ("olga.petrova-olga.petrova", "user name"),
        ("OlgaPetrova2026", "user name"),
        ("futago-admin-password", "name of the system"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, reason: str):
    with pytest.raises(PasswordRefused) as refused:
        check_password(password, "olga.petrova")
    assert any(reason in fault.detail for fault in refused.value.faults)


def test_every_broken_rule_is_listed_where_it_stands():
    with pytest.raises(PasswordRefused) as refused:
        check_password("aaa", "olga", pointer="/new_password")
    assert [fault.pointer for fault in refused.value.faults] == ["/new_password"] * 2


@pytest.mark.parametrize(("size", "checkable"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
def test_a_password_longer_than_any_that_was_stored_is_not_hashed(size: int, checkable: bool):
    assert is_checkable("x" * size) is checkable
