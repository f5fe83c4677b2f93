"""From headers to a verified caller, and how long that is remembered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.gateway.domain import api_keys
from services.gateway.domain.addresses import parse_network
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.credentials import (
    Authenticator,
    Credential,
    CredentialKind,
    Stamp,
    Verified,
    read_credential,
)
from services.gateway.domain.errors import CredentialsAmbiguous, CredentialsMissing, TokenRejected
from services.gateway.domain.key_errors import ApiKeyDeactivated, ApiKeyInvalid
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.refresh import Family
from shared.principal import Permission, Role
from tests.unit.gateway.fakes import NOW, FakeClock, FakeFamilies, FakeKeys, FakeTokens, FakeUsers, principal, user

MINTED = api_keys.mint(bytes(range(48)))
KEY = ApiKey(
    MINTED.key_id, "line 4", "olga", MINTED.digest, None, None, frozenset({Permission.READ}), (), True, 5, NOW,
    NOW + timedelta(days=1), None,
)  # fmt: skip
CLAIMS = AccessClaims("olga", "s1", 1, NOW, NOW + timedelta(minutes=10))
FAMILY = Family("s1", "olga", NOW, NOW + timedelta(days=1), None)


class World:
    def __init__(self, **memory: float) -> None:
        self.clock = FakeClock()
        self.users = FakeUsers([user()])
        self.families = FakeFamilies()
        self.families.families["s1"] = FAMILY
        self.keys = FakeKeys([KEY])
        self.tokens = FakeTokens()
        self.authenticator = Authenticator(
            tokens=self.tokens, users=self.users, families=self.families, keys=self.keys, clock=self.clock, **memory
        )

    def token(self, claims: AccessClaims = CLAIMS) -> Credential:
        return Credential(CredentialKind.TOKEN, self.tokens.issue(claims))


KEY_CREDENTIAL = Credential(CredentialKind.API_KEY, MINTED.text)


@pytest.mark.parametrize(
    ("headers", "kind", "text"),
    [
        ([(b"authorization", b"Bearer abc")], CredentialKind.TOKEN, "abc"),
        ([(b"authorization", b"bearer   abc ")], CredentialKind.TOKEN, "abc"),
        ([(b"accept", b"*/*"), (b"x-api-key", b"fut_1")], CredentialKind.API_KEY, "fut_1"),
    ],
)
def test_a_credential_is_read(headers: list[tuple[bytes, bytes]], kind: CredentialKind, text: str):
    assert read_credential(headers) == Credential(kind, text)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], CredentialsMissing),
        ([(b"authorization", b"")], CredentialsMissing),
        ([(b"authorization", b"Bearer")], CredentialsMissing),
        ([(b"authorization", b"Basic YTpi")], CredentialsMissing),
        ([(b"authorization", b"Bearer \xff")], CredentialsMissing),
        ([(b"authorization", b"Bearer " + b"a" * 9000)], CredentialsMissing),
        ([(b"cookie", b"token=abc")], CredentialsMissing),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")], CredentialsAmbiguous),
        ([(b"authorization", b"Bearer a"), (b"x-api-key", b"b")], CredentialsAmbiguous),
        ([(b"x-api-key", b"a"), (b"x-api-key", b"b")], CredentialsAmbiguous),
    ],
)
def test_no_credential_and_more_than_one_are_refused(headers: list[tuple[bytes, bytes]], error: type[Exception]):
    with pytest.raises(error):
        read_credential(headers)


def test_a_secret_is_in_no_repr_and_is_not_its_own_fingerprint():
    assert MINTED.text not in repr(KEY_CREDENTIAL)
    assert MINTED.text.encode() not in KEY_CREDENTIAL.fingerprint
    assert replace(KEY_CREDENTIAL, kind=CredentialKind.TOKEN).fingerprint != KEY_CREDENTIAL.fingerprint


async def test_a_token_is_verified_under_the_generations_it_depends_on():
    world = World()
    verified = await world.authenticator.verify(world.token())
    assert (verified.principal.subject, verified.session_id, verified.key_id) == ("olga", "s1", None)
    assert verified.stamps == (Stamp("user:olga", 1), Stamp("session:s1", 0))


async def test_a_key_is_verified_under_the_generations_it_depends_on():
    verified = await World().authenticator.verify(KEY_CREDENTIAL)
    assert (verified.key_id, verified.expires_at) == (KEY.key_id, KEY.expires_at)
    assert verified.stamps == (Stamp("user:olga", 1), Stamp(f"key:{KEY.key_id}", 5))


async def test_rights_come_from_the_user_and_not_from_the_token():
    world = World()
    credential = world.token()
    world.users.rows["olga"] = user(role=Role.VIEWER)
    assert (await world.authenticator.verify(credential)).principal.role is Role.VIEWER


@pytest.mark.parametrize(
    "spoil",
    [
        lambda world: world.users.rows.clear(),
        lambda world: world.users.rows.update(olga=user(active=False)),
        lambda world: world.users.rows.update(olga=user(generation=2)),
        lambda world: world.families.families.clear(),
        lambda world: world.families.families.update(s1=replace(FAMILY, revoked_at=NOW)),
        lambda world: world.families.families.update(s1=replace(FAMILY, username="eve")),
    ],
)
async def test_a_token_falls_with_its_user_and_its_session(spoil: Callable[[World], None]):
    world = World()
    credential = world.token()
    spoil(world)
    with pytest.raises(TokenRejected):
        await world.authenticator.verify(credential)


async def test_a_token_of_a_generation_to_come_is_forged():
    world = World()
    with pytest.raises(TokenRejected):
        await world.authenticator.verify(world.token(replace(CLAIMS, generation=2)))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda world: world.keys.rows.clear(), ApiKeyInvalid),
        (lambda world: world.users.rows.clear(), ApiKeyInvalid),
        (lambda world: world.keys.rows.update({KEY.key_id: replace(KEY, active=False)}), ApiKeyDeactivated),
    ],
)
async def test_a_key_falls_with_its_row_and_its_owner(spoil: Callable[[World], None], error: type[Exception]):
    world = World()
    spoil(world)
    with pytest.raises(error):
        await world.authenticator.verify(KEY_CREDENTIAL)


@pytest.mark.parametrize(("life_s", "minutes"), [(600.0, 10), (60.0, 1), (86_400.0, 10)])
async def test_a_verification_is_remembered_for_ten_minutes_at_most(life_s: float, minutes: int):
    world = World(memory_s=life_s)
    world.authenticator.remember(b"f", await world.authenticator.verify(KEY_CREDENTIAL))
    world.clock.advance(minutes=minutes, milliseconds=-1)
    assert world.authenticator.recall(b"f") is not None
    world.clock.advance(milliseconds=1)
    assert world.authenticator.recall(b"f") is None


async def test_a_verification_is_not_remembered_beyond_the_end_of_its_credential():
    world = World()
    credential = world.token(replace(CLAIMS, expires_at=NOW + timedelta(seconds=30)))
    world.authenticator.remember(b"f", await world.authenticator.verify(credential))
    world.clock.advance(seconds=30)
    assert world.authenticator.recall(b"f") is None


async def test_what_was_used_longest_ago_is_forgotten_first():
    world = World(memory_size=2)
    verified = await world.authenticator.verify(KEY_CREDENTIAL)
    for fingerprint in (b"1", b"2"):
        world.authenticator.remember(fingerprint, verified)
    world.authenticator.recall(b"1")
    world.authenticator.remember(b"3", verified)
    assert [world.authenticator.recall(fingerprint) is None for fingerprint in (b"1", b"2", b"3")] == [
        False,
        True,
        False,
    ]


class CountingKeys(FakeKeys):
    """Counts how often the database is asked."""

    looked_up = 0

    async def get(self, key_id: str) -> ApiKey:
        self.looked_up += 1
        return await super().get(key_id)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("", 0),
        ("fut_", 0),
        ("sk_live_1234", 0),
        (MINTED.text[:-1] + ("0" if MINTED.text[-1] != "0" else "1"), 0),
        (MINTED.text[:20] + ("0" if MINTED.text[20] != "0" else "1") + MINTED.text[21:], 0),
        (MINTED.text + "0", 0),
        (f" {MINTED.text}\n", 0),
        (MINTED.text.upper(), 0),
        ("fut_" + "\uff11" * 48, 0),
        ("fut_" + "0" * 8000, 0),
        (api_keys.mint(bytes(range(2, 50))).text, 1),
        (api_keys.mint(bytes(range(2, 50)), MINTED.key_id).text, 1),
    ],
    ids=str,
)
async def test_a_wrong_key_is_refused_and_a_mistyped_one_without_a_look_into_the_database(text: str, looks: int):
    world = World()
    keys = CountingKeys([KEY])
    authenticator = Authenticator(
        tokens=world.tokens, users=world.users, families=world.families, keys=keys, clock=world.clock
    )
    with pytest.raises(ApiKeyInvalid):
        await authenticator.verify(Credential(CredentialKind.API_KEY, text))
    assert keys.looked_up == looks


async def test_a_keys_networks_and_limit_go_with_its_verification():
    world = World()
    limit, networks = Limit("key", 60, 5), (parse_network("10.0.0.0/8"),)
    world.keys.rows[KEY.key_id] = replace(KEY, networks=networks, limit=limit)
    verified = await world.authenticator.verify(KEY_CREDENTIAL)
    assert (verified.networks, verified.limit) == (networks, limit)


async def test_the_former_secret_is_not_remembered_beyond_the_overlap():
    world = World()
    former = api_keys.mint(bytes(range(1, 49)), KEY.key_id)
    until = NOW + timedelta(seconds=30)
    world.keys.rows[KEY.key_id] = replace(KEY, former_digest=former.digest, former_until=until)
    verified = await world.authenticator.verify(Credential(CredentialKind.API_KEY, former.text))
    world.authenticator.remember(b"f", verified)
    world.clock.advance(seconds=30)
    assert world.authenticator.recall(b"f") is None


class FakeProvider:
    """Takes tokens that begin with its name for its own."""

    async def verify(self, text: str) -> Verified:
        return Verified(principal(text, method="external"), NOW, (Stamp(f"identity:{text}", 1),))

    def recognises(self, text: str) -> bool:
        return text.startswith("sso:")


async def test_a_token_goes_to_the_provider_it_names_and_every_other_one_to_us():
    world = World()
    authenticator = Authenticator(
        tokens=world.tokens, users=world.users, families=world.families, keys=world.keys, clock=world.clock,
        external=FakeProvider(),
    )  # fmt: skip
    theirs = await authenticator.verify(Credential(CredentialKind.TOKEN, "sso:u1"))
    assert (theirs.principal.subject, theirs.session_id) == ("sso:u1", None)
    assert (await authenticator.verify(world.token())).principal.subject == "olga"
    # A key is never taken for a token.
    with pytest.raises(ApiKeyInvalid):
        await authenticator.verify(Credential(CredentialKind.API_KEY, "sso:u1"))
