"""API keys: their text, and when they count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, KeyState
from services.gateway.domain.key_errors import (
    ApiKeyDeactivated,
    ApiKeyExpired,
    ApiKeyInvalid,
    AssetsOutOfReach,
    InvalidExpiry,
    LimitTooHigh,
    ScopesTooWide,
)
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.users import User
from shared.errors import AppError
from shared.principal import Permission, Role

NOW = datetime(2026, 4, 1, tzinfo=UTC)
OWNER = User("olga", Role.OPERATOR, "", active=True, generation=3, assets=(), created_at=NOW, password_changed_at=NOW)
MINTED = api_keys.mint(bytes(range(48)))
FORMER = api_keys.mint(bytes(range(1, 49)), MINTED.key_id)
KEY = ApiKey(
    key_id=MINTED.key_id,
    name="line 4",
    owner="olga",
    digest=MINTED.digest,
    former_digest=None,
    former_until=None,
    scopes=frozenset({Permission.READ, Permission.PREDICT}),
    assets=(),
    active=True,
    generation=1,
    created_at=NOW,
    expires_at=NOW + timedelta(days=365),
    last_used_at=None,
)


def test_a_key_shows_its_kind_and_nothing_in_its_repr_shows_its_secret():
    assert MINTED.text.startswith("fut_")
    assert len(MINTED.text) == 4 + 12 + 30 + 6
    assert MINTED.text not in repr(MINTED)


@given(st.binary(min_size=48, max_size=48))
def test_the_id_of_any_key_can_be_read_from_it(entropy: bytes):
    minted = api_keys.mint(entropy)
    assert api_keys.key_id_of(minted.text) == minted.key_id


@given(st.binary(min_size=48, max_size=48), st.integers(4, 51), st.sampled_from(api_keys._ALPHABET))
def test_one_mistyped_character_never_passes_the_checksum(entropy: bytes, position: int, character: str):
    text = api_keys.mint(entropy).text
    mistyped = text[:position] + character + text[position + 1 :]
    if mistyped != text:
        with pytest.raises(ApiKeyInvalid):
            api_keys.key_id_of(mistyped)


@pytest.mark.parametrize(
    "text", ["", "fut_", MINTED.text[:-1], MINTED.text + "0", MINTED.text + "\n", MINTED.text.upper()]
)
def test_what_is_not_a_key_is_refused_without_a_look_into_the_database(text: str):
    with pytest.raises(ApiKeyInvalid):
        api_keys.key_id_of(text)


def test_a_key_acts_as_its_owner_with_its_own_scopes():
    caller = api_keys.verify(MINTED.text, KEY, OWNER, NOW)
    assert (caller.subject, caller.role, caller.method) == ("olga", Role.OPERATOR, "api_key")
    assert caller.permissions == {Permission.READ, Permission.PREDICT}


def test_a_key_loses_what_its_owner_loses():
    caller = api_keys.verify(MINTED.text, KEY, replace(OWNER, role=Role.VIEWER), NOW)
    assert caller.permissions == {Permission.READ}


@pytest.mark.parametrize(
    ("key", "owner", "at", "error"),
    [
        (replace(KEY, active=False), OWNER, NOW, ApiKeyDeactivated),
        (KEY, replace(OWNER, active=False), NOW, ApiKeyDeactivated),
        (KEY, OWNER, KEY.expires_at, ApiKeyExpired),
        (replace(KEY, digest=FORMER.digest), OWNER, NOW, ApiKeyInvalid),
    ],
)
def test_a_key_that_does_not_count_is_refused_with_the_reason(
    key: ApiKey, owner: User, at: datetime, error: type[AppError]
):
    with pytest.raises(error):
        api_keys.verify(MINTED.text, key, owner, at)


def test_a_key_counts_until_the_last_moment():
    assert api_keys.verify(MINTED.text, KEY, OWNER, KEY.expires_at - timedelta(milliseconds=1)).subject == "olga"


def test_after_a_rotation_the_former_text_counts_for_the_overlap_only():
    until = NOW + timedelta(hours=1)
    rotated = replace(KEY, former_digest=FORMER.digest, former_until=until)
    assert api_keys.verify(FORMER.text, rotated, OWNER, NOW).subject == "olga"
    assert api_keys.ends_at(FORMER.text, rotated) == until
    assert api_keys.ends_at(MINTED.text, rotated) == KEY.expires_at
    with pytest.raises(ApiKeyInvalid):
        api_keys.verify(FORMER.text, rotated, OWNER, until)


def test_scopes_wider_than_the_owner_are_each_named():
    with pytest.raises(ScopesTooWide) as refused:
        api_keys.check_scopes(frozenset({Permission.READ, Permission.TRAIN, Permission.PLAN}), OWNER)
    assert len(refused.value.faults) == 2


def test_a_key_lives_for_a_year_unless_told():
    assert api_keys.expiry(None, NOW) == NOW + timedelta(days=365)
    assert api_keys.expiry(NOW + timedelta(days=90), NOW) == NOW + timedelta(days=90)


@pytest.mark.parametrize("asked", [NOW, NOW - timedelta(seconds=1), NOW + timedelta(days=3 * 365, seconds=1)])
def test_an_expiry_in_the_past_or_far_away_is_refused(asked: datetime):
    with pytest.raises(InvalidExpiry):
        api_keys.expiry(asked, NOW)


@pytest.mark.parametrize(
    ("owner", "key", "reached"),
    [
        ((), (), ()),
        ((), ("acme",), ("acme",)),
        (("acme",), (), ("acme",)),
        (("acme.osaka",), ("acme",), ("acme.osaka",)),
        (("acme",), ("acme.osaka", "other"), ("acme.osaka",)),
        (("acme.osaka",), ("acme.osakaX",), (".",)),
        (("acme",), ("other",), (".",)),
    ],
)
def test_a_key_reaches_what_both_it_and_its_owner_may(
    owner: tuple[str, ...], key: tuple[str, ...], reached: tuple[str, ...]
):
    assert api_keys.narrow_assets(owner, key) == reached


def test_a_key_that_shares_nothing_with_its_owner_reaches_nothing():
    caller = api_keys.verify(MINTED.text, replace(KEY, assets=("b",)), replace(OWNER, assets=("a",)), NOW)
    assert not any(caller.may_reach(asset) for asset in ("a", "b", "b.c", "", None))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, KeyState.ACTIVE),
        ({"expires_at": NOW + timedelta(milliseconds=1)}, KeyState.ACTIVE),
        ({"expires_at": NOW}, KeyState.EXPIRED),
        ({"active": False}, KeyState.DEACTIVATED),
        ({"active": False, "expires_at": NOW}, KeyState.DEACTIVATED),
    ],
)
def test_a_key_has_one_state(changes: dict[str, object], state: KeyState):
    assert replace(KEY, **changes).state(NOW) is state


def test_a_deactivated_key_is_refused_with_either_secret():
    rotated = replace(KEY, former_digest=FORMER.digest, former_until=NOW + timedelta(hours=1), active=False)
    for text in (MINTED.text, FORMER.text):
        with pytest.raises(ApiKeyDeactivated):
            api_keys.verify(text, rotated, OWNER, NOW)


@pytest.mark.parametrize("limit", [None, Limit("key", 3600, 100), Limit("key", 1, 1)])
def test_an_own_limit_may_be_as_large_as_everybodys(limit: Limit | None):
    api_keys.check_limit(limit, Limit("key", 3600, 100))


@pytest.mark.parametrize(
    ("limit", "pointers"),
    [
        (Limit("key", 3601, 100), ["/limit/requests_per_hour"]),
        (Limit("key", 3600, 101), ["/limit/burst"]),
        (Limit("key", 9999, 999), ["/limit/requests_per_hour", "/limit/burst"]),
    ],
)
def test_an_own_limit_above_everybodys_is_refused_part_by_part(limit: Limit, pointers: list[str]):
    with pytest.raises(LimitTooHigh) as refused:
        api_keys.check_limit(limit, Limit("key", 3600, 100))
    assert [fault.pointer for fault in refused.value.faults] == pointers


@pytest.mark.parametrize(
    ("holder", "asked", "reach"),
    [
        ((), (), ()),
        ((), ("acme",), ("acme",)),
        (("acme.osaka",), (), ("acme.osaka",)),
        (("acme.osaka",), ("acme",), ("acme.osaka",)),
        (("acme",), ("acme.osaka", "other"), ("acme.osaka",)),
    ],
)
def test_assets_asked_for_are_cut_to_what_their_holder_reaches(
    holder: tuple[str, ...], asked: tuple[str, ...], reach: tuple[str, ...]
):
    assert api_keys.reachable_assets(holder, asked) == reach


@pytest.mark.parametrize("asked", [("acme.tokyo",), ("acme.osaka2",), ("other", "acm")])
def test_a_key_for_nothing_is_not_made(asked: tuple[str, ...]):
    with pytest.raises(AssetsOutOfReach):
        api_keys.reachable_assets(("acme.osaka",), asked)
