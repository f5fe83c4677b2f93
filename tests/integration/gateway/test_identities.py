"""People who log in at an identity provider: a real one, in its own process, in front of real gateways."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry, Counter

from services.gateway.adapters.oidc_key_source import FetchTimes, KeySource, open_http
from services.gateway.adapters.oidc_tokens import OidcTokens
from services.gateway.app import create_app
from services.gateway.domain.errors import IdentityProviderAway
from services.gateway.domain.external_identity import IdentityProvider, TokenUse
from services.gateway.settings import GatewaySettings, IdentityProviderSettings
from shared.clock import SystemClock
from shared.jwt import InvalidToken
from shared.startup import CannotStart
from tests.integration.gateway.conftest import running
from tests.integration.gateway.identity_provider import CLIENT, ProviderProcess
from tests.unit.gateway.oidc import PROVIDER, rsa_key

PEOPLE = (
    {"sub": "u-olga", "groups": ["plant-operators", "staff"], "preferred_username": "Olga"},
    {"sub": "u-adam", "groups": ["plant-admins"], "preferred_username": "Adam"},
    {"sub": "u-guest", "groups": ["staff"], "preferred_username": "Guest"},
)
ROLES = {"plant-operators": "operator", "plant-admins": "admin"}


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    process = ProviderProcess(PEOPLE)
    yield process
    process.stop()


def trusting(settings: GatewaySettings, issuer: str, **changes: object) -> GatewaySettings:
    trusted = IdentityProviderSettings(
        name="sso", issuer=issuer, audience=CLIENT, token_use="id_token", roles=ROLES, **changes
    )
    return settings.model_copy(update={"identity_providers": (trusted,)})


@pytest.fixture
async def replicas(
    settings: GatewaySettings, admin: object, provider: ProviderProcess
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    trusted = trusting(settings, provider.issuer)
    async with running(create_app(trusted)) as first, running(create_app(trusted)) as second:
        yield first, second


@pytest.fixture
async def gateway_with_provider(
    settings: GatewaySettings, admin: object, provider: ProviderProcess
) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(trusting(settings, provider.issuer))) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/v1/auth/me", headers=bearer(token))


Replicas = tuple[httpx.AsyncClient, httpx.AsyncClient]


async def test_who_logs_in_at_the_provider_is_let_in_with_the_role_of_their_group(
    gateway_with_provider: httpx.AsyncClient, provider: ProviderProcess
):
    client = gateway_with_provider
    token = await provider.log_in("u-olga")
    said = (await me(client, token)).json()
    assert (said["user"], said["role"], said["method"], said["assets"]) == ("sso:u-olga", "operator", "external", [])
    assert (await client.get("/api/v1/users", headers=bearer(token))).status_code == 403
    # Verified once, remembered afterwards.
    assert (await me(client, token)).json() == said


async def test_who_is_in_no_group_of_ours_and_whose_token_is_bent_or_for_others_is_refused(
    gateway_with_provider: httpx.AsyncClient, provider: ProviderProcess
):
    refused = await me(gateway_with_provider, await provider.log_in("u-guest"))
    assert (refused.status_code, refused.json()["code"]) == (403, "gateway.not_entitled")
    token = await provider.log_in("u-adam")
    for bad in (
        await provider.log_in("u-adam", client="other"),
        token[:-8] + "AAAAAAAA",
        token.rpartition(".")[0] + ".",
    ):
        assert (await me(gateway_with_provider, bad)).status_code == 401


async def test_an_administrator_shuts_out_an_identity_on_every_replica(replicas: Replicas, provider: ProviderProcess):
    first, second = replicas
    olga, adam = await provider.log_in("u-olga"), await provider.log_in("u-adam")
    assert [(await me(client, olga)).status_code for client in replicas] == [200, 200]
    assert (await first.get("/api/v1/identities", headers=bearer(olga))).status_code == 403
    known = (await first.get("/api/v1/identities", headers=bearer(adam))).json()["items"]
    [found] = [one for one in known if one["user"] == "sso:u-olga"]
    assert (found["display_name"], found["role"], found["active"]) == ("Olga", "operator", True)

    path = f"/api/v1/identities/{found['id']}"
    answer = await first.patch(path, json={"active": False}, headers=bearer(adam))
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    deadline_s = asyncio.get_running_loop().time() + 2.0
    while (await me(second, olga)).status_code != 401:
        assert asyncio.get_running_loop().time() < deadline_s, "still let in after 2 s"
        await asyncio.sleep(0.05)
    # A new login is of no use either.
    refused = await me(second, await provider.log_in("u-olga"))
    assert (refused.status_code, refused.json()["code"]) == (401, "gateway.identity_disabled")

    assert (await second.patch(path, json={"active": True}, headers=bearer(adam))).status_code == 200
    assert (await me(first, await provider.log_in("u-olga"))).status_code == 200
    changes = (await first.get("/api/v1/audit?action=identity.changed", headers=bearer(adam))).json()["items"]
    assert [(entry["user"], entry["resource"]) for entry in changes] == [("sso:u-adam", "sso:u-olga")] * 2
    missing = await first.patch("/api/v1/identities/none", json={"active": True}, headers=bearer(adam))
    assert (missing.status_code, missing.json()["code"]) == (404, "gateway.identity_missing")


async def test_an_external_administrator_has_no_key_here_and_manages_those_of_others(
    gateway_with_provider: httpx.AsyncClient, provider: ProviderProcess
):
    client, adam = gateway_with_provider, bearer(await provider.log_in("u-adam"))
    refused = await client.post("/api/v1/api-keys", json={"name": "mine"}, headers=adam)
    assert (refused.status_code, refused.json()["code"]) == (403, "gateway.external_caller")
    made = await client.post("/api/v1/api-keys", json={"name": "line 4", "owner": "admin"}, headers=adam)
    assert (made.status_code, made.json()["owner"]) == (201, "admin")
    own_password = {"new_password": "a long walk by the river", "current_password": "x"}
    answer = await client.post("/api/v1/users/sso:u-adam/password", json=own_password, headers=adam)
    assert answer.status_code in {403, 404}

    await me(client, await provider.log_in("u-olga"))
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/api/v1/identities?limit=1{cursor}", headers=adam)).json()
        found += [one["user"] for one in page["items"]]
        cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    assert sorted(found) == ["sso:u-adam", "sso:u-olga"]
    assert (await client.post("/api/v1/auth/logout", headers=adam)).status_code == 204


async def test_known_keys_hold_while_the_provider_is_away_and_a_new_gateway_says_that_it_is(
    settings: GatewaySettings, admin: object, provider: ProviderProcess
):
    trusted = trusting(settings, provider.issuer)
    try:
        async with running(create_app(trusted)) as client:
            first, second = await provider.log_in("u-olga"), await provider.log_in("u-adam")
            assert (await me(client, first)).status_code == 200
            provider.stop()
            assert [(await me(client, token)).status_code for token in (first, second)] == [200, 200]
        async with running(create_app(trusted)) as client:
            refused = await me(client, first)
            assert (refused.status_code, refused.json()["code"]) == (503, "gateway.identity_provider_away")
            assert 1 <= int(refused.headers["retry-after"]) <= 10
    finally:
        provider.start()


def source(issuer: str, http: httpx.AsyncClient, jwks_uri: str | None = None, **times: float) -> KeySource:
    trusted: IdentityProvider = replace(
        PROVIDER,
        issuer=issuer,
        token_use=TokenUse.ID_TOKEN,
        role_claim=("groups",),
        roles={"staff": PROVIDER.roles["futago-run"]},
    )
    fetches = Counter("fetches", "", ("provider", "outcome"), registry=CollectorRegistry())
    return KeySource(
        trusted,
        jwks_uri,
        http=http,
        clock=SystemClock(),
        fetches=fetches,
        times=FetchTimes(**{"not_before_s": 0, **times}),
    )


async def test_a_provider_that_changes_its_keys_is_followed(provider: ProviderProcess):
    keys = source(provider.issuer, open_http(None))
    tokens = OidcTokens([keys], SystemClock())
    try:
        old = await provider.log_in("u-olga")
        assert (await tokens.read(old)).subject == "u-olga"
        provider.stop()
        provider.start()
        assert (await tokens.read(await provider.log_in("u-olga"))).subject == "u-olga"
        with pytest.raises(InvalidToken):
            await tokens.read(old)
    finally:
        await keys.aclose()


async def test_an_answer_that_drips_in_is_given_up():
    given_up = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        given_up.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys = source("https://sso.example.com", open_http(None), f"http://127.0.0.1:{port}/jwks", answer_s=0.3)
    try:
        async with asyncio.timeout(5):
            with pytest.raises(IdentityProviderAway):
                await keys.key("r1", "RS256")
            await given_up.wait()
    finally:
        await keys.aclose()
        server.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody in the world signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plant")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "ca.pem", folder / "ca.key"


async def test_a_provider_is_believed_only_with_a_certificate_that_is_trusted(tmp_path: Path):
    key = rsa_key()
    document = httpx.Response(200, json={"keys": [key.jwk()]}).content

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(document) + document)
        await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    ca_file, key_file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    known, stranger = source(url, open_http(ca_file), f"{url}/jwks"), source(url, open_http(None), f"{url}/jwks")
    try:
        assert await known.key("r1", "RS256") is not None
        with pytest.raises(IdentityProviderAway):
            await stranger.key("r1", "RS256")
    finally:
        await known.aclose()
        await stranger.aclose()
        server.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://sso.example.com"},
        {"jwks_uri": "http://sso.example.com/keys"},
        {"issuer": "https://sso.example.com?x=1"},
        {"ca_file": Path("/nonexistent.pem")},
        {"ca_file": Path(__file__)},
    ],
)
async def test_a_provider_that_cannot_be_trusted_keeps_the_gateway_from_starting(
    settings: GatewaySettings, changes: dict[str, object]
):
    issuer = str(changes.pop("issuer", "https://sso.example.com"))
    with pytest.raises(CannotStart, match="identity_providers: sso"):
        create_app(trusting(settings, issuer, **changes))


async def test_two_providers_do_not_share_a_name_or_an_issuer(settings: GatewaySettings):
    [one] = trusting(settings, "https://sso.example.com").identity_providers
    twice = settings.model_copy(update={"identity_providers": (one, one)})
    with pytest.raises(CannotStart, match="same name; two providers have the same issuer"):
        create_app(twice)
