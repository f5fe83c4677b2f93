"""Where the gateway's settings come from."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from shared.settings import SettingsFault

SHARED = {
    "redis_url": "redis://:p@127.0.0.1:6379/0",
    "database_url": "sqlite:////futago.db",
    "store_url": "file:///store",
    "cache_dir": "/cache",
    "trust_dir": "/trust",
    "identity_key_file": "/identity.pub.pem",
}
OWN = {
    "access_key_file": "/access.pem",
    "identity_private_key_file": "/identity.pem",
    "second_factor_key_file": "/second-factor.key",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in SHARED.items():
        monkeypatch.setenv(f"FUTAGO_{name.upper()}", value)
    for name, value in OWN.items():
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", value)
    return monkeypatch


def test_what_is_not_said_has_a_sane_default(environment: pytest.MonkeyPatch):
    settings = GatewaySettings.load(None)
    assert (settings.host, settings.port, settings.trusted_proxies) == ("127.0.0.1", 8080, ())
    assert (settings.access_token_life_s, settings.max_requests_per_hour) == (600, 360_000)


@pytest.mark.parametrize(
    ("text", "roles"),
    [("admin", ("admin",)), ("admin, engineer", ("admin", "engineer")), ('["admin"]', ("admin",)), ("", ())],
)
def test_roles_that_need_a_second_factor_are_named_in_any_usual_way(
    environment: pytest.MonkeyPatch, text: str, roles: tuple[str, ...]
):
    environment.setenv("GATEWAY_REQUIRE_SECOND_FACTOR", text)
    assert GatewaySettings.load(None).require_second_factor == roles


def test_a_role_that_does_not_exist_needs_nothing(environment: pytest.MonkeyPatch):
    environment.setenv("GATEWAY_REQUIRE_SECOND_FACTOR", "admins")
    with pytest.raises(SettingsFault, match="require_second_factor"):
        GatewaySettings.load(None)


def test_trusted_proxies_are_networks(environment: pytest.MonkeyPatch):
    environment.setenv("GATEWAY_TRUSTED_PROXIES", '["10.0.0.0/8", "::1/128"]')
    assert GatewaySettings.load(None).trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_a_file_of_the_original_specification_sets_port_and_limit(environment: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"api_port": 8443, "max_requests_per_hour": 1000, "enable_monitoring": True}))
    settings = GatewaySettings.load(file)
    assert (settings.port, settings.max_requests_per_hour) == (8443, 1000)


def test_the_environment_wins_over_the_file(environment: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"api_port": 8443}))
    environment.setenv("GATEWAY_PORT", "9000")
    assert GatewaySettings.load(file).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_ACCESS_TOKEN_LIFE_S", "86400"),
        ("GATEWAY_MAX_REQUESTS_PER_HOUR", "0"),
        ("GATEWAY_TRUSTED_PROXIES", '["everybody"]'),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_AUDIT_RETENTION_DAYS", "30"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(environment: pytest.MonkeyPatch, name: str, value: str):
    environment.setenv(name, value)
    with pytest.raises(SettingsFault, match=name):
        GatewaySettings.load(None)


def test_no_secret_has_a_default():
    required = {name for name, field in GatewaySettings.model_fields.items() if field.is_required()}
    assert {"redis_url", "database_url", *OWN} <= required


PROVIDER = {
    "name": "plant",
    "issuer": "https://sso.example.com/realms/plant",
    "audience": "futago",
    "role_claim": "realm_access.roles",
    "assets_claim": ["https://plant.example/assets"],
    "roles": {"futago-admin": "admin"},
}


def test_identity_providers_are_read_from_the_environment_and_from_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "futago.toml"
    file.write_text(
        '[[gateway.identity_providers]]\nname = "plant"\nissuer = "https://sso.example.com/realms/plant"\n'
        'audience = "futago"\nrole_claim = "realm_access.roles"\nassets_claim = ["https://plant.example/assets"]\n'
        'roles = { futago-admin = "admin" }\n',
        encoding="utf-8",
    )
    from_file = GatewaySettings.load(file).identity_providers
    environment.setenv("GATEWAY_IDENTITY_PROVIDERS", json.dumps([PROVIDER]))
    [provider] = GatewaySettings.load(None).identity_providers
    assert from_file == (provider,)
    assert provider.role_claim == ("realm_access", "roles")
    assert provider.assets_claim == ("https://plant.example/assets",)
    assert (provider.algorithms, provider.token_use, provider.name_claim) == (
        ("RS256",),
        "access_token",
        ("preferred_username",),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithms", ["HS256"]),
        ("algorithms", ["none"]),
        ("algorithms", []),
        ("name", "Plant"),
        ("name", "pla:nt"),
        ("audience", ""),
        ("audience", None),
        ("roles", {}),
        ("roles", {"staff": "root"}),
        ("clock_leeway_s", 3600),
        ("client_secret", "is not asked for"),
    ],
)
def test_a_provider_that_is_not_described_well_is_refused(environment: pytest.MonkeyPatch, name: str, value: object):
    environment.setenv("GATEWAY_IDENTITY_PROVIDERS", json.dumps([PROVIDER | {name: value}]))
    with pytest.raises(SettingsFault, match="identity_providers"):
        GatewaySettings.load(None)
