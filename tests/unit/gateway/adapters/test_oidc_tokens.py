"""Tokens of an identity provider: forged, bent, aged; and how often the provider is asked for its keys."""

import asyncio
import json
import string
from collections.abc import Awaitable

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from services.gateway.adapters.oidc_key_source import FetchTimes, KeySource, is_safe_address, open_http
from services.gateway.adapters.oidc_tokens import OidcTokens
from services.gateway.domain.errors import IdentityProviderAway, NotEntitled
from services.gateway.domain.external_identity import Vouched
from shared.errors import AppError, Kind
from tests.unit.gateway.fakes import FakeClock
from tests.unit.gateway.oidc import ISSUER, NOW_S, PROVIDER, base64url, claims, confused, ec_key, part, rsa_key

RSA, EC, STRANGER = rsa_key(), ec_key(), rsa_key()
JWKS = "https://keys.example.com/jwks"
TOKEN = RSA.sign(claims())
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


class Provider:
    """Serves what it is told to, and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[object] = [RSA.jwk(), EC.jwk()]
        self.discovery: dict[str, object] = {"issuer": ISSUER, "jwks_uri": JWKS}
        self.asked: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.called = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        self.called.set()
        await self.open.wait()
        document = self.discovery if request.url.path.endswith("openid-configuration") else {"keys": self.keys}
        status, headers, body = self.answer or (200, {}, json.dumps(document).encode())
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


class World:
    def __init__(self, jwks_uri: str | None = JWKS) -> None:
        self.clock = FakeClock()
        self.provider = Provider()
        fetches = Counter("fetches", "", ("provider", "outcome"), registry=CollectorRegistry())
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.provider))
        times = FetchTimes(every_s=300, not_before_s=10, usable_s=3600)
        self.source = KeySource(PROVIDER, jwks_uri, http=http, clock=self.clock, fetches=fetches, times=times)
        self.tokens = OidcTokens([self.source], self.clock)

    async def refusal(self, token: str) -> AppError:
        with pytest.raises(AppError) as refused:
            await self.tokens.read(token)
        return refused.value


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("key", [RSA, EC])
async def test_a_token_of_the_provider_is_read(world: World, key: object):
    token = key.sign(claims())
    assert world.tokens.recognises(token)
    assert (await world.tokens.read(token)).subject == "f81d4fae-7dec"


async def outcomes(reading: Awaitable[Vouched]) -> list[Vouched | BaseException]:
    return await asyncio.gather(reading, return_exceptions=True)


@settings(max_examples=150)
@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.ascii_letters + string.digits + "-_.=+/ "))
def test_no_token_with_another_character_passes(position: int, character: str):
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assume(changed != TOKEN)
    assert asyncio.run(World().refusal(changed)).kind is Kind.UNAUTHENTICATED


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["aud", "exp", "iat", "nbf", "sub", "typ", "cnf", "realm_access"]), JSON_VALUES),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "jku", "x5u", "zip"]), JSON_VALUES),
)
def test_whatever_a_signed_token_says_it_is_read_or_refused(changes: dict[str, object], header: dict[str, object]):
    [outcome] = asyncio.run(outcomes(World().tokens.read(RSA.sign(claims() | changes, **header))))
    if isinstance(outcome, AppError):
        assert outcome.kind in {Kind.UNAUTHENTICATED, Kind.FORBIDDEN}
    else:
        assert isinstance(outcome, Vouched)


@pytest.mark.parametrize("audience", ["futago", ["futago"], ["other", "futago"]])
async def test_the_audience_is_one_of_those_named(world: World, audience: object):
    assert await world.tokens.read(RSA.sign(claims(aud=audience)))


def without_signature() -> str:
    return f"{part({'alg': 'none', 'kid': 'r1'})}.{part(claims())}."


FORGED = {
    "another key": STRANGER.sign(claims()),
    "another key under its name": STRANGER.sign(claims(), kid="e1"),
    "no signature": without_signature(),
    "alg none with a signature": RSA.sign(claims(), alg="none"),
    "alg of a secret": RSA.sign(claims(), alg="HS256"),
    "public key as secret": confused(RSA, RSA.pem),
    "alg of the other key type": RSA.sign(claims(), alg="ES256"),
    "alg not allowed": RSA.sign(claims(), alg="RS512"),
    "alg is a list": RSA.sign(claims(), alg=["RS256"]),
    "no alg": RSA.sign(claims(), alg=None),
    "no kid": RSA.sign(claims(), kid=None),
    "kid is a number": RSA.sign(claims(), kid=1),
    "kid is empty": RSA.sign(claims(), kid=""),
    "key of its own": STRANGER.sign(claims(), jwk=STRANGER.jwk()),
    "extension": RSA.sign(claims(), crit=["b64"], b64=False),
    "changed payload": RSA.sign(claims()).replace(part(claims()), part(claims(sub="root"))),
    "changed signature": RSA.sign(claims())[:-9] + "AAAAAAAAA",
}
BENT = {
    "no audience": claims(aud=None),
    "another audience": claims(aud="other"),
    "audience begins alike": claims(aud="futago-console"),
    "audience with a number": claims(aud=["futago", 7]),
    "audience as an object": claims(aud={"futago": True}),
    "empty audience": claims(aud=[]),
    "expired": claims(exp=NOW_S),
    "no expiry": claims(exp=None),
    "expiry as a text": claims(exp=str(NOW_S + 300)),
    "expiry as a fraction": claims(exp=NOW_S + 300.5),
    "expiry for ever": claims(exp=10**18),
    "expiry true": claims(exp=True),
    "not yet made": claims(iat=NOW_S + 11),
    "never made": claims(iat=None),
    "not yet counting": claims(nbf=NOW_S + 11),
    "counting from a text": claims(nbf="now"),
    "no subject": claims(sub=None),
    "subject is a number": claims(sub=7),
    "a week long": claims(exp=NOW_S + 7 * 86_400),
    "a list": [claims()],
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_the_same_refusal(world: World, token: str):
    assert (await world.refusal(token)).kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize("payload", BENT.values(), ids=BENT.keys())
async def test_a_token_of_the_provider_that_is_out_of_shape_is_refused(world: World, payload: object):
    assert (await world.refusal(RSA.sign(payload))).kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "." * 5,
        "é.b.c",
        RSA.sign(claims(pad="x" * 9000)),
        RSA.sign("[" * 5000 + "]" * 5000),
        RSA.sign('{"iss": "' + ISSUER + '", "iss": "other"}'),
        RSA.sign('{"exp": NaN}'),
        RSA.sign('{"exp": 1e999}'),
        RSA.sign("null"),
        f"{part(['alg'])}.{part(claims())}.{base64url(bytes(64))}",
    ],
)
async def test_a_text_that_is_no_token_is_refused_and_belongs_to_nobody(world: World, token: str):
    assert not world.tokens.recognises(token)
    assert (await world.refusal(token)).kind is Kind.UNAUTHENTICATED
    assert world.provider.asked == []


@pytest.mark.parametrize(
    "issuer", [f"{ISSUER}/", ISSUER.upper(), "https://sso.example.com/realms/other", "futago", None, [ISSUER], 7]
)
async def test_only_configured_issuers_are_asked_for_keys(world: World, issuer: object):
    token = RSA.sign(claims(iss=issuer), jku="https://evil.example/keys", x5u="https://evil.example/cert")
    assert not world.tokens.recognises(token)
    assert (await world.refusal(token)).kind is Kind.UNAUTHENTICATED
    assert world.provider.asked == []


async def test_an_address_in_a_token_is_not_followed(world: World):
    await world.tokens.read(RSA.sign(claims(), jku="https://evil.example/keys"))
    assert world.provider.asked == [JWKS]


async def test_without_providers_no_token_is_theirs():
    assert not OidcTokens([], FakeClock()).recognises(RSA.sign(claims()))


async def test_who_has_no_role_is_told_only_after_the_signature_held(world: World):
    stranger = STRANGER.sign(claims(realm_access=None))
    assert (await world.refusal(stranger)).kind is Kind.UNAUTHENTICATED
    assert isinstance(await world.refusal(RSA.sign(claims(realm_access=None))), NotEntitled)


async def test_the_providers_clock_may_be_ahead_a_little(world: World):
    assert await world.tokens.read(RSA.sign(claims(iat=NOW_S + 10, nbf=NOW_S + 10)))


async def test_the_keys_are_found_by_discovery():
    world = World(jwks_uri=None)
    assert await world.tokens.read(RSA.sign(claims()))
    assert world.provider.asked == [f"{ISSUER}/.well-known/openid-configuration", JWKS]


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": f"{ISSUER}/", "jwks_uri": JWKS},
        {"jwks_uri": JWKS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "http://keys.example.com/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": "http://[::"},
    ],
)
async def test_a_discovery_document_of_another_issuer_or_without_a_safe_address_is_not_used(
    discovery: dict[str, object],
):
    world = World(jwks_uri=None)
    world.provider.discovery = discovery
    refused = await world.refusal(RSA.sign(claims()))
    assert isinstance(refused, IdentityProviderAway)
    assert JWKS not in world.provider.asked


async def test_a_flood_of_unknown_key_ids_asks_the_provider_once_in_a_while(world: World):
    for attempt in range(50):
        assert (await world.refusal(RSA.sign(claims(), kid=f"k{attempt}"))).kind is Kind.UNAUTHENTICATED
        world.clock.advance(seconds=0.3)
    # 15 seconds.
    assert len(world.provider.asked) == 2


async def test_a_token_that_cannot_hold_makes_nobody_fetch_keys(world: World):
    for token in (RSA.sign(claims(aud="x"), kid="new"), RSA.sign(claims(exp=1), kid="new"), confused(RSA, b"x")):
        await world.refusal(token)
    assert world.provider.asked == []


async def test_a_key_that_is_new_is_fetched_when_a_token_names_it(world: World):
    await world.source.refresh()
    new = rsa_key("r2")
    world.provider.keys = [new.jwk()]
    world.clock.advance(seconds=11)
    assert await world.tokens.read(new.sign(claims()))
    assert (await world.refusal(RSA.sign(claims()))).kind is Kind.UNAUTHENTICATED


async def test_a_token_may_leave_out_the_key_id_where_there_is_one_key(world: World):
    nameless = RSA.sign(claims(), kid=None)
    assert (await world.refusal(nameless)).kind is Kind.UNAUTHENTICATED
    world.provider.keys = [RSA.jwk()]
    world.clock.advance(seconds=10)
    assert await world.tokens.read(nameless)
    assert (await world.refusal(EC.sign(claims(), kid=None))).kind is Kind.UNAUTHENTICATED


async def test_the_only_key_is_fetched_again_when_it_does_not_fit(world: World):
    world.provider.keys = [RSA.jwk()]
    await world.source.refresh()
    new = rsa_key()
    for _ in range(3):
        assert (await world.refusal(new.sign(claims(), kid=None))).kind is Kind.UNAUTHENTICATED
    world.provider.keys = [new.jwk()]
    world.clock.advance(seconds=10)
    assert await world.tokens.read(new.sign(claims(), kid=None))
    assert len(world.provider.asked) == 2


async def test_many_callers_wait_for_one_fetch(world: World):
    world.provider.open.clear()
    reading = [asyncio.create_task(world.tokens.read(RSA.sign(claims(sub=str(caller))))) for caller in range(20)]
    await asyncio.sleep(0)
    world.provider.open.set()
    assert {vouched.subject for vouched in await asyncio.gather(*reading)} == set(map(str, range(20)))
    assert world.provider.asked == [JWKS]


async def test_a_caller_who_leaves_does_not_end_the_fetch_of_the_others(world: World):
    world.provider.open.clear()
    leaving, staying = (asyncio.create_task(world.tokens.read(RSA.sign(claims()))) for _ in range(2))
    await world.provider.called.wait()
    leaving.cancel()
    world.provider.open.set()
    assert (await staying).subject
    assert world.provider.asked == [JWKS]


async def test_known_keys_go_on_for_a_while_when_the_provider_is_away(world: World):
    await world.source.refresh()
    world.provider.answer = (503, {}, b"")
    world.clock.advance(seconds=1800)
    await world.source.refresh()
    fresh = claims(iat=NOW_S + 3590, exp=NOW_S + 3900)
    world.clock.advance(seconds=1799)
    assert await world.tokens.read(RSA.sign(fresh))
    world.clock.advance(seconds=1)
    assert isinstance(await world.refusal(RSA.sign(fresh)), IdentityProviderAway)


async def test_a_key_that_was_withdrawn_is_forgotten_with_the_next_fetch(world: World):
    await world.source.refresh()
    world.provider.keys = [EC.jwk()]
    world.clock.advance(seconds=300)
    await world.source.refresh()
    assert (await world.refusal(RSA.sign(claims()))).kind is Kind.UNAUTHENTICATED
    assert await world.tokens.read(EC.sign(claims(exp=NOW_S + 600)))


ANSWERS = {
    "an error": (500, {}, b""),
    "a redirect": (302, {"Location": "https://evil.example/keys"}, b""),
    "no JSON": (200, {}, b"<html>"),
    "not text": (200, {}, b"\xff\xfe"),
    "too long": (200, {}, json.dumps({"keys": [RSA.jwk()]}).encode() + b" " * 600_000),
    "too deep": (200, {}, b"[" * 100_000),
    "no key": (200, {}, b'{"keys": []}'),
    "compressed": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_provider_whose_keys_were_never_read_is_away(world: World, answer: tuple[int, dict[str, str], bytes]):
    world.provider.answer = answer
    refused = await world.refusal(RSA.sign(claims()))
    assert isinstance(refused, IdentityProviderAway)
    assert refused.retry_after_s == pytest.approx(10.0)
    world.clock.advance(seconds=4)
    again = await world.refusal(RSA.sign(claims()))
    assert (again.retry_after_s, len(world.provider.asked)) == (pytest.approx(6.0), 1)


async def test_the_client_goes_nowhere_but_where_it_is_sent():
    async with open_http(None) as http:
        assert (http.follow_redirects, http.trust_env) == (False, False)


async def test_an_answer_that_is_no_key_set_does_not_replace_the_keys(world: World):
    await world.source.refresh()
    world.provider.answer = (200, {}, b'{"keys": []}')
    world.clock.advance(seconds=20)
    await world.source.refresh()
    assert await world.tokens.read(RSA.sign(claims()))


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://sso.example.com/realms/plant", True),
        ("http://127.0.0.1:9400", True),
        ("http://localhost:9400/x", True),
        ("http://[::1]:9400", True),
        ("http://sso.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("https://user:password@sso.example.com", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("ftp://sso.example.com", False),
        ("sso.example.com", False),
        ("http://[::", False),
    ],
)
def test_only_addresses_that_nobody_can_forge_are_fetched(url: str, *, safe: bool):
    assert is_safe_address(url) is safe
