"""The client's calls that manage models and trusted keys."""

import json

import httpx
import pytest

from futago import Client, Conflict, NotFound
from tests.unit.futago.fake_gateway import FakeGateway, problem

MODELS = "/api/v1/twin/models"
KEYS = "/api/v1/twin/trusted-keys"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(gateway: FakeGateway) -> Client:
    return Client("http://gateway", api_key="fk_good", transport=gateway.transport(), sleep=lambda _: None)


def test_a_rollback_names_no_version_and_is_sent_once(client: Client, gateway: FakeGateway):
    gateway.answer("POST", f"{MODELS}/yield/activate", lambda _: httpx.Response(200, json={"version": "1"}))
    assert client.rollback("yield") == {"version": "1"}
    (sent,) = gateway.sent("POST", f"{MODELS}/yield/activate")
    assert json.loads(sent.content) == {"previous": True}


def test_a_rollback_without_a_previous_version_is_a_conflict(client: Client, gateway: FakeGateway):
    gateway.answer("POST", f"{MODELS}/yield/activate", lambda _: problem(409, "twin.previous_missing", "there is none"))
    with pytest.raises(Conflict, match="there is none"):
        client.rollback("yield")


def test_a_withdrawal_is_sent_once_even_when_the_suite_is_busy(client: Client, gateway: FakeGateway):
    path = f"{MODELS}/yield/versions/2"
    gateway.answer("DELETE", path, lambda _: httpx.Response(204))
    client.withdraw("yield", "2")
    assert len(gateway.sent("DELETE", path)) == 1


def test_what_is_not_there_cannot_be_withdrawn(client: Client, gateway: FakeGateway):
    gateway.answer("DELETE", f"{MODELS}/yield/versions/2", lambda _: problem(404, "twin.version_missing", "no version"))
    with pytest.raises(NotFound):
        client.withdraw("yield", "2")


def test_keys_are_listed_enrolled_and_removed(client: Client, gateway: FakeGateway):
    gateway.answer("GET", KEYS, lambda _: httpx.Response(200, json={"items": [{"key_id": "ab"}], "next_cursor": None}))
    gateway.answer("POST", KEYS, lambda _: httpx.Response(201, json={"key_id": "cd"}))
    gateway.answer("DELETE", f"{KEYS}/ab", lambda _: httpx.Response(204))
    assert client.trusted_keys() == [{"key_id": "ab"}]
    assert client.trust("PEM")["key_id"] == "cd"
    client.distrust("ab")
    (enrolled,) = gateway.sent("POST", KEYS)
    assert json.loads(enrolled.content) == {"public_key": "PEM"}
    assert len(gateway.sent("DELETE", f"{KEYS}/ab")) == 1
