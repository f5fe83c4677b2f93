"""Forged, bent and oversized access tokens: each is the same refusal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.adapters.key_files import AccessKeys, access_keys
from services.gateway.domain.claims import AccessClaims, from_payload, to_payload
from services.gateway.domain.errors import TokenRejected
from shared.errors import AppError, Kind
from shared.internal_token import IdentityVerifier, InternalTokenSigner
from shared.jwt import LEEWAY_S, InvalidToken, TokenSigner
from shared.token_keys import PublicKey, new_private_key, read_public_keys, write_public_keys
from tests.unit.gateway.fakes import NOW, FakeClock, principal
from tests.unit.gateway.token_corpus import HEADER, PRIVATE, PUBLIC, corpus, forge, genuine

CLOCK = FakeClock()
CLAIMS = AccessClaims("olga", "s1", 3, NOW, NOW + timedelta(minutes=10))
PAYLOAD = dict(to_payload(CLAIMS, "t1"))
SECONDS = int(NOW.timestamp())
FORGERIES = corpus(PAYLOAD, SECONDS)


class Keys:
    """Keys that never change."""

    def __init__(self, private: bytes = PRIVATE, *public: bytes, clock: FakeClock = CLOCK) -> None:
        self._keys = access_keys(private, public, clock)

    def current(self) -> AccessKeys:
        return self._keys


TOKENS = AccessTokens(Keys())
GENUINE = TOKENS.issue(CLAIMS)


def test_a_genuine_token_says_what_was_signed():
    assert TOKENS.read(GENUINE) == CLAIMS


def test_the_forger_makes_genuine_tokens_too():
    # Else every forgery of the corpus could be refused for a reason that is not its own.
    assert TOKENS.read(genuine(PAYLOAD)) == CLAIMS


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused_and_nothing_else(name: str):
    with pytest.raises(AppError) as refused:
        TOKENS.read(FORGERIES[name])
    assert refused.value.kind is Kind.UNAUTHENTICATED


@given(st.integers(0, len(GENUINE) - 1), st.characters(codec="ascii"))
def test_no_change_of_one_character_passes(position: int, character: str):
    changed = GENUINE[:position] + character + GENUINE[position + 1 :]
    if changed == GENUINE:
        return
    with pytest.raises(AppError) as refused:
        TOKENS.read(changed)
    assert refused.value.kind is Kind.UNAUTHENTICATED


@given(st.text(max_size=300))
def test_no_text_does_anything_but_be_refused(text: str):
    with pytest.raises(AppError) as refused:
        TOKENS.read(text)
    assert refused.value.kind is Kind.UNAUTHENTICATED


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_no_signed_payload_does_anything_but_be_refused(payload: object):
    with pytest.raises(AppError) as refused:
        TOKENS.read(forge(HEADER, payload))
    assert refused.value.kind is Kind.UNAUTHENTICATED


def test_a_token_of_one_purpose_is_refused_for_the_other():
    # The same key for both, which no gateway has: the purpose alone must be enough.
    identity = InternalTokenSigner(TokenSigner(PRIVATE), CLOCK).sign(principal(), "futago-api")
    with pytest.raises(AppError) as refused:
        TOKENS.read(identity)
    assert refused.value.kind is Kind.UNAUTHENTICATED
    with pytest.raises(InvalidToken):
        IdentityVerifier([PUBLIC], audience="futago-api", clock=CLOCK).verify(GENUINE)


def test_every_signature_of_ours_is_the_lower_of_the_two():
    assert all(TOKENS.read(TOKENS.issue(CLAIMS)) == CLAIMS for _ in range(20))


def test_a_token_ends_to_the_second():
    clock = FakeClock()
    tokens = AccessTokens(Keys(clock=clock))
    clock.advance(minutes=10, milliseconds=-1)
    assert tokens.read(GENUINE) == CLAIMS
    clock.advance(milliseconds=1)
    with pytest.raises(AppError):
        tokens.read(GENUINE)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_clock_may_be_behind_by_a_few_seconds_and_not_more(claim: str):
    ahead = {**PAYLOAD, claim: SECONDS + LEEWAY_S}
    assert TOKENS.read(forge(HEADER, ahead)).username == "olga"
    with pytest.raises(AppError):
        TOKENS.read(forge(HEADER, {**PAYLOAD, claim: SECONDS + LEEWAY_S + 1}))


def test_tokens_of_a_key_on_its_way_out_count_until_its_end():
    clock = FakeClock()
    (old,) = read_public_keys(PUBLIC)
    retired = write_public_keys([PublicKey(old.key, NOW + timedelta(minutes=5))])
    rotated = AccessTokens(Keys(new_private_key(), retired, clock=clock))
    assert rotated.read(GENUINE) == CLAIMS
    assert rotated.read(rotated.issue(CLAIMS)) == CLAIMS
    assert len(rotated.public_keys().jwks) == 2
    assert all("d" not in jwk for jwk in rotated.public_keys().jwks)
    clock.advance(minutes=5)
    with pytest.raises(AppError):
        rotated.read(GENUINE)
    assert rotated.read(rotated.issue(CLAIMS)) == CLAIMS
    assert len(rotated.public_keys().jwks) == 1


def test_no_file_retires_the_key_that_signs():
    (own,) = read_public_keys(PUBLIC)
    ended = write_public_keys([PublicKey(own.key, datetime(2020, 1, 1, tzinfo=UTC))])
    assert AccessTokens(Keys(PRIVATE, ended)).read(GENUINE) == CLAIMS


def test_two_tokens_of_one_moment_are_not_the_same():
    assert TOKENS.issue(CLAIMS) != TOKENS.issue(CLAIMS)


@pytest.mark.parametrize("seconds", [10**17, -(10**17)])
def test_times_no_calendar_holds_are_refused(seconds: int):
    with pytest.raises(TokenRejected):
        from_payload({**PAYLOAD, "exp": seconds})
