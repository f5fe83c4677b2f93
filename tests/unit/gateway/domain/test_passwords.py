"""The password policy."""

import pytest

from services.gateway.domain.errors import PasswordRefused
from services.gateway.domain.passwords import (
    MAX_BYTES,
    MIN_LENGTH_BESIDE_FACTOR,
    PasswordPolicy,
    check_password,
    is_checkable,
    is_short,
    normalised,
)
from tests.unit.gateway.fake_factors import FakeWords


@pytest.mark.parametrize(
    "password",
    [
        "a long walk by the river",
        "fifteen chars ok"[:15],
        "水が流れる川の岸辺を歩く夕暮れ時",
        "no Digits nor Symbols",
        "admin of river boats 77",
        "x1!" * 300 + "abcd",
        "z9K!" * 256,
        "x" * 1024,
        "river 1234 boat abcd",
        "qwertyuiop and 1234",
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
        ("123456789012345", "guessed first"),
        ("987654321-987654321", "guessed first"),
        ("0123 4321 0123 4321", "guessed first"),
        ("Qwertyuiop123456", "guessed first"),
        ("zxcvbnm, asdfghjkl", "guessed first"),
        ("1q2w3e4r5t6y7u8i", "guessed first"),
        ("a b c d e f g h ", "guessed first"),
        ("11112222333344445555", "guessed first"),
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


@pytest.mark.parametrize("password", ["river 77", "walk-by!", "水が流れる川岸辺", "salmon42x"])
def test_beside_a_second_factor_eight_characters_are_enough(password: str):
    check_password(password, "al", min_length=MIN_LENGTH_BESIDE_FACTOR)
    assert is_short(password)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("seven 7", "at least 8 characters"),
        ("dragon", "at least 8 characters"),
        ("Sunshine", "guessed first"),
        ("sun-shine", "guessed first"),
        ("futago77", "name of the system"),
        ("olga1234", "user name"),
    ],
)
async def test_a_short_one_is_held_to_the_same_rules(password: str, reason: str):
    with pytest.raises(PasswordRefused) as refused:
        await PasswordPolicy(FakeWords()).check(password, "olga", min_length=MIN_LENGTH_BESIDE_FACTOR)
    assert any(reason in fault.detail for fault in refused.value.faults)


@pytest.mark.parametrize(
    "password", ["internationalization", "Inter-Nation-Alization", "dragondragondragon", "Dragon dragon DRAGON"]
)
async def test_a_word_of_the_lists_is_refused_alone_and_repeated(password: str):
    with pytest.raises(PasswordRefused, match="not allowed"):
        await PasswordPolicy(FakeWords()).check(password, "olga")


async def test_a_word_of_the_lists_may_be_part_of_a_password():
    await PasswordPolicy(FakeWords()).check("sunshine over the dragon's lake", "olga")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("\uff46\uff55\uff54\uff41\uff47\uff4f\uff17\uff17", "futago77"),
        ("cafe\u0301", "café"),
        ("ﾊﾟｽ", "パス"),
        ("① ﬁn", "1 fin"),
    ],
)
def test_a_password_is_the_same_from_every_keyboard(typed: str, stored: str):
    assert normalised(typed) == stored


def test_length_is_counted_in_the_form_that_is_stored():
    # One character that stands for 18.
    assert not is_short("\ufdfa")
    # Fifteen as they are sent, eight as they are stored.
    assert is_short("e\u0301" * 7 + "x")


def test_the_form_that_is_stored_is_not_longer_than_a_login_takes():
    with pytest.raises(PasswordRefused, match="not allowed") as refused:
        check_password("\ufdfa" * 40, "olga")
    assert "use at most 1024 bytes" in [fault.detail for fault in refused.value.faults]
