"""What a security officer is told to set: each setting exists, takes the value as written, and is not so anyway."""

import re
from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings

PAGE = Path(__file__).parents[2] / "docs/how-to/harden.md"
PREFIX = "GATEWAY_"
ROWS: list[tuple[str, str]] = re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.M)
NEEDED = {
    "FUTAGO_REDIS_URL": "rediss://redis.plant",
    "FUTAGO_DATABASE_URL": "postgresql+psycopg://db.plant/futago",
    "GATEWAY_ACCESS_KEY_FILE": "access.pem",
    "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": "identity.pem",
    "GATEWAY_SECOND_FACTOR_KEY_FILE": "second-factor.key",
}
# What a plant may ask of its people: each is named, so that none is forgotten.
ASKED = {name for name in GatewaySettings.model_fields if name.startswith(("require_", "password_", "fresh_login_for"))}


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return GatewaySettings.load(None)


@pytest.mark.parametrize(("name", "value"), ROWS)
def test_a_setting_that_is_named_exists_takes_the_value_and_changes_something(
    plain: GatewaySettings, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    assert name.startswith(PREFIX)
    field = name.removeprefix(PREFIX).lower()
    assert field in GatewaySettings.model_fields
    monkeypatch.setenv(name, value)
    assert getattr(GatewaySettings.load(None), field) != getattr(plain, field)


def test_all_of_them_hold_together(plain: GatewaySettings, monkeypatch: pytest.MonkeyPatch):
    for name, value in ROWS:
        monkeypatch.setenv(name, value)
    hardened = GatewaySettings.load(None)
    assert (hardened.require_second_factor, hardened.password_grant) == (("admin", "engineer"), False)
    assert {f"{PREFIX}{field.upper()}" for field in ASKED} <= {name for name, _ in ROWS}
    assert ASKED
