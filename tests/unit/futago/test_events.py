"""Following the suite: what a stream says, and going on after it broke off."""

import json
from itertools import islice

import httpx
import pytest

from futago import Client
from futago.errors import Unavailable
from futago.event_calls import SuiteEvent
from tests.unit.futago.fake_gateway import FakeGateway, problem

PATH = "/api/v1/events"


def stream(*events: tuple[str, str, object], begin: str = "0-0_0-0") -> httpx.Response:
    text = f"id: {begin}\n\n" + "".join(
        f": a comment\n\nid: {position}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for name, position, data in events
    )
    return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream"})


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(gateway: FakeGateway, waits: list[float]) -> Client:
    return Client("http://suite", "admin", "secret", transport=gateway.transport(), sleep=waits.append)


def test_events_come_as_they_were_sent(gateway: FakeGateway, client: Client):
    gateway.answer("GET", PATH, lambda _: stream(("alert", "1-0_0-0", {"id": "a"}), ("job", "1-0_2-0", {"id": "j"})))
    told = list(islice(client.events(), 2))
    assert told == [SuiteEvent("alert", "1-0_0-0", {"id": "a"}), SuiteEvent("job", "1-0_2-0", {"id": "j"})]
    assert gateway.sent("GET", PATH)[0].headers["accept"] == "text/event-stream"


def test_a_stream_that_ends_is_taken_up_where_it_was(gateway: FakeGateway, client: Client, waits: list[float]):
    ended = stream(("alert", "1-0_0-0", {"id": "a"}), ("end", "", {"reason": "expired"}))
    gateway.answer(
        "GET",
        PATH,
        lambda _: ended,
        lambda _: problem(503, "x", "away"),
        lambda _: stream(("job", "1-0_1-0", {"id": "j"})),
    )
    assert [event.data["id"] for event in islice(client.events("0-5_0-5"), 2)] == ["a", "j"]
    asked = [request.headers["last-event-id"] for request in gateway.sent("GET", PATH)]
    assert asked == ["0-5_0-5", "1-0_0-0", "1-0_0-0"]
    assert len(waits) == 1


def test_a_token_that_was_refused_is_renewed_once(gateway: FakeGateway, client: Client):
    gateway.answer("GET", PATH, lambda _: stream(("alert", "1-0_0-0", {"id": "a"})))
    client.login()
    gateway.valid_tokens.clear()
    assert next(client.events()).data == {"id": "a"}
    assert gateway.refreshes == 1


def test_a_suite_that_only_refuses_is_given_up(gateway: FakeGateway, client: Client, waits: list[float]):
    gateway.answer("GET", PATH, lambda _: problem(503, "gateway.redis_away", "away"))
    with pytest.raises(Unavailable):
        next(client.events())
    assert (len(gateway.sent("GET", PATH)), len(waits)) == (10, 9)
