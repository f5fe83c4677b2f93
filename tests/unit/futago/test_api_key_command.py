"""`futago api-key` and the client's calls for keys, against a gateway in a few lines."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from futago import cli
from futago.client import Client
from futago.commands import api_key
from futago.key_calls import NewApiKey
from tests.unit.futago.fake_gateway import FakeGateway

KEYS = "/api/v1/api-keys"
KEY = {
    "id": "abc",
    "name": "historian",
    "owner": "olga",
    "state": "active",
    "expires_at": "2027-04-01T00:00:00Z",
    "last_used_at": None,
}
SECRET = {**KEY, "api_key": "fut_abcSECRET"}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    gateway = FakeGateway()
    monkeypatch.setattr(
        api_key, "connect", lambda *_: Client("http://suite", api_key="fk_good", transport=gateway.transport())
    )
    return gateway


def futago(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["api-key", *arguments], env={"FUTAGO_HOME": "/nowhere", "FUTAGO_URL": None})


def sent(gateway: FakeGateway, method: str, path: str) -> object:
    [request] = gateway.sent(method, path)
    return json.loads(request.content)


def test_a_new_key_is_asked_for_and_its_secret_alone_is_printed(gateway: FakeGateway):
    gateway.answer("POST", KEYS, lambda _: httpx.Response(201, json=SECRET))
    options = "--owner olga --scope read --scope predict --asset acme --network 10.20.0.0/16 --days 90"
    done = futago("create", "historian", *options.split(), "--requests-per-hour", "60", "--burst", "5")
    assert (done.exit_code, done.stdout) == (0, "fut_abcSECRET\n")
    assert "cannot be shown again" in done.stderr
    assert "SECRET" not in done.stderr
    assert sent(gateway, "POST", KEYS) == {
        "name": "historian",
        "owner": "olga",
        "scopes": ["read", "predict"],
        "assets": ["acme"],
        "networks": ["10.20.0.0/16"],
        "expires_in_days": 90,
        "limit": {"requests_per_hour": 60, "burst": 5},
    }


def test_what_is_not_asked_for_is_left_to_the_suite():
    assert NewApiKey("x").body() == {"name": "x", "assets": (), "networks": ()}


def test_half_a_limit_is_a_mistake(gateway: FakeGateway):
    assert futago("create", "x", "--burst", "5").exit_code == 2
    assert gateway.requests == []


def test_keys_are_listed_in_lines_or_as_json(gateway: FakeGateway):
    gateway.answer("GET", KEYS, lambda _: httpx.Response(200, json={"items": [KEY], "next_cursor": None}))
    assert futago("list").stdout == "abc  active  olga  ends 2027-04-01T00:00:00Z  used never  historian\n"
    done = futago("list", "--json", "--owner", "olga", "--state", "active", "--expires-within-days", "30")
    assert json.loads(done.stdout) == [KEY]
    asked = gateway.sent("GET", KEYS)[-1].url.params
    assert (asked["owner"], asked["state"], asked["expires_within_days"]) == ("olga", "active", "30")


def test_a_key_is_rotated_with_an_overlap(gateway: FakeGateway):
    gateway.answer("POST", f"{KEYS}/abc/rotate", lambda _: httpx.Response(200, json=SECRET))
    done = futago("rotate", "abc", "--overlap-s", "3600", "--json")
    assert json.loads(done.stdout)["api_key"] == "fut_abcSECRET"
    assert sent(gateway, "POST", f"{KEYS}/abc/rotate") == {"overlap_s": 3600}


def test_a_key_is_deactivated(gateway: FakeGateway):
    gateway.answer("PATCH", f"{KEYS}/abc", lambda _: httpx.Response(200, json=KEY))
    assert futago("deactivate", "abc").stdout == "Deactivated: abc.\n"
    assert sent(gateway, "PATCH", f"{KEYS}/abc") == {"active": False}


def test_a_key_is_removed(gateway: FakeGateway):
    gateway.answer("DELETE", f"{KEYS}/a%2Fb", lambda _: httpx.Response(204))
    gateway.answer("DELETE", f"{KEYS}/a/b", lambda _: httpx.Response(204))
    Client("http://suite", api_key="fk_good", transport=gateway.transport()).delete_api_key("a/b")
    assert gateway.requests[-1].url.raw_path == b"/api/v1/api-keys/a%2Fb"


def test_without_a_suite_the_command_says_what_is_missing(tmp_path: Path):
    done = futago("list", "--home", str(tmp_path))
    assert done.exit_code == 1
    assert "credentials" in str(done.exception)
