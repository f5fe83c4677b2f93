"""Handing requests on: what goes in, what comes out, and what happens when nothing does."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Message, Scope

from services.gateway.adapters.forwarder import Forwarder
from services.gateway.domain.access import Service
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.errors import UpstreamAway, UpstreamBroken, UpstreamSlow
from services.gateway.domain.upstreams import Handover, Upstream
from shared.http.middleware import BodyTooLarge
from shared.tracing import working_on
from tests.unit.gateway.fakes import FakeClock

UPSTREAM = Upstream(Service.TWIN, "http://twin:1", "twin", 1.0)
HANDOVER = Handover("signed", "r1", body_limit_bytes=100, answer_timeout_s=2.0, still_counts=lambda: True)


class Chunks(httpx.AsyncByteStream):
    def __init__(self, *parts: bytes, then: Exception | None = None) -> None:
        self.parts, self.then, self.closed = parts, then, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.then is not None:
            raise self.then

    async def aclose(self) -> None:
        self.closed = True


class Transport(httpx.AsyncBaseTransport):
    def __init__(self, answer: Callable[[], httpx.Response]) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        return self.answer()


class Client:
    """A caller at the other end of an ASGI connection."""

    def __init__(self, *chunks: bytes, leaves: bool = False) -> None:
        parts = chunks or (b"",)
        self.incoming: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": leaves or number < len(parts)}
            for number, chunk in enumerate(parts, start=1)
        ]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def scope(*headers: tuple[bytes, bytes], method: str = "POST", path: bytes = b"/api/v1/twin/predict") -> Scope:
    return {"type": "http", "method": method, "raw_path": path, "query_string": b"a=1", "headers": list(headers)}


def refuse(error: Exception) -> Callable[[], httpx.Response]:
    def answer() -> httpx.Response:
        raise error

    return answer


class World:
    def __init__(self, answer: Callable[[], httpx.Response]) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.transport = Transport(answer)
        self.breaker = Breaker(failures_to_open=2, open_s=1.0)
        self.forwarder = Forwarder(self.transport, {Service.TWIN: self.breaker}, self.clock, self.registry)

    async def forward(self, client: Client, *headers: tuple[bytes, bytes]) -> None:
        await self.forwarder.forward(UPSTREAM, HANDOVER, scope(*headers), client.receive, client.send)


async def test_a_request_is_handed_on_with_who_calls():
    world, client = World(lambda: httpx.Response(200, stream=Chunks(b"{}"))), Client(b"body")
    await world.forward(client, (b"content-length", b"4"), (b"x-api-key", b"secret"), (b"accept", b"a/b"))
    (request,) = world.transport.requests
    assert str(request.url) == "http://twin:1/api/v1/twin/predict?a=1"
    assert world.transport.bodies == [b"body"]
    # Read before it was handed on, so that it goes out with its length and not in chunks.
    assert request.content == b"body"
    assert "transfer-encoding" not in request.headers
    assert request.headers["x-futago-identity"] == "signed"
    assert request.headers["x-request-id"] == "r1"
    assert (request.headers["accept"], "x-api-key" in request.headers) == ("a/b", False)
    assert request.extensions["timeout"] == {"connect": 1.0, "pool": 1.0, "read": 2.0}


@pytest.mark.parametrize(("headers", "told"), [({}, b"one"), ({"content-length": "6"}, b"onetwo")])
async def test_an_answer_without_end_ends_with_the_credential_and_is_not_passed_off_as_complete(
    headers: dict[str, str], told: bytes
):
    chunks, client = Chunks(b"one", b"two"), Client(b"")
    world = World(lambda: httpx.Response(200, headers=headers, stream=chunks))
    handover = replace(HANDOVER, still_counts=lambda: not client.body)
    await world.forwarder.forward(UPSTREAM, handover, scope(), client.receive, client.send)
    assert (client.body, chunks.closed) == (told, True)
    assert client.sent[-1]["more_body"] is (told == b"one")


async def test_in_a_trace_the_service_is_told_of_the_call_and_not_of_what_the_caller_said():
    class Span:
        def __init__(self, traceparent: str) -> None:
            self.traceparent, self.ended = traceparent, []

        def child(self, name: str, *, outgoing: bool) -> "Span":
            assert (name, outgoing) == ("call twin", True)
            return call

        def end(self, attributes: dict[str, object], *, failed: bool) -> None:
            self.ended.append((attributes["http.response.status_code"], failed))

    call = Span("00-1-2-01")
    world, client = World(lambda: httpx.Response(200, stream=Chunks(b"{}"))), Client()
    with working_on(Span("00-1-1-01")):
        await world.forward(client, (b"traceparent", b"00-1-0-01"))
    world.transport.answer = refuse_connection
    with working_on(Span("00-1-1-01")), pytest.raises(UpstreamAway):
        await world.forward(Client())
    assert [each.headers["traceparent"] for each in world.transport.requests] == ["00-1-2-01"] * 2
    assert call.ended == [(200, False), (0, True)]


def refuse_connection() -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(("query", "sent"), [(b"", b""), (b"a=why?", b"?a=why?"), (b"?", b"??")])
async def test_a_query_is_handed_on_to_its_last_character(query: bytes, sent: bytes):
    world, client = World(lambda: httpx.Response(200, stream=Chunks(b"{}"))), Client()
    asked = scope() | {"query_string": query}
    await world.forwarder.forward(UPSTREAM, HANDOVER, asked, client.receive, client.send)
    (request,) = world.transport.requests
    assert request.url.raw_path == b"/api/v1/twin/predict" + sent


async def test_an_answer_comes_out_as_it_came_but_for_its_hop():
    stream = Chunks(b"one", b"two")
    headers = [("content-type", "a/b"), ("server", "inner"), ("connection", "close"), ("location", "/api/v1/jobs/1")]
    world, client = World(lambda: httpx.Response(202, headers=headers, stream=stream)), Client()
    await world.forward(client)
    assert client.sent[0]["status"] == 202
    assert client.sent[0]["headers"] == [(b"content-type", b"a/b"), (b"location", b"/api/v1/jobs/1")]
    assert [message["more_body"] for message in client.sent[1:]] == [True, True, False]
    assert (client.body, stream.closed) == (b"onetwo", True)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (httpx.ConnectError("refused"), UpstreamAway),
        (httpx.ReadTimeout("slow"), UpstreamSlow),
        (httpx.ReadError("cut"), UpstreamBroken),
        (httpx.RemoteProtocolError("nonsense"), UpstreamBroken),
    ],
)
async def test_each_way_to_get_no_answer_has_its_error(raised: Exception, error: type[Exception]):
    world, client = World(refuse(raised)), Client()
    with pytest.raises(error):
        await world.forward(client)
    assert client.sent == []


async def test_a_service_that_is_away_is_soon_not_asked_any_more():
    world = World(refuse(httpx.ConnectError("refused")))
    for _ in range(5):
        with pytest.raises(UpstreamAway) as away:
            await world.forward(Client())
    assert len(world.transport.requests) == 2
    assert away.value.retry_after_s == 1.0
    world.clock.advance(seconds=1)
    world.transport.answer = lambda: httpx.Response(200, stream=Chunks())
    await world.forward(Client())
    await world.forward(Client())
    assert len(world.transport.requests) == 4


async def test_a_slow_service_is_not_taken_for_one_that_is_away():
    world = World(refuse(httpx.ReadTimeout("slow")))
    for _ in range(4):
        with pytest.raises(UpstreamSlow):
            await world.forward(Client())
    assert len(world.transport.requests) == 4


async def test_a_service_that_does_not_believe_the_gateway_is_broken_and_not_a_login_page():
    world, client = World(lambda: httpx.Response(401, stream=Chunks(b"{}"))), Client()
    with pytest.raises(UpstreamBroken):
        await world.forward(client)
    assert client.sent == []


async def test_an_answer_that_breaks_off_is_left_unfinished():
    world, client = World(lambda: httpx.Response(200, stream=Chunks(b"half", then=httpx.ReadError("cut")))), Client()
    await world.forward(client)
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]
    assert client.sent[-1]["more_body"] is True
    labels = {"upstream": "twin", "reason": "broken_off"}
    assert world.registry.get_sample_value("futago_gateway_upstream_failures_total", labels) == 1.0


@pytest.mark.parametrize(
    "headers", [[(b"content-length", b"101")], [(b"transfer-encoding", b"chunked")]], ids=["declared", "in chunks"]
)
async def test_a_body_over_the_limit_goes_no_further(headers: list[tuple[bytes, bytes]]):
    world = World(lambda: httpx.Response(200, stream=Chunks()))
    with pytest.raises(BodyTooLarge):
        await world.forward(Client(b"x" * 60, b"x" * 60), *headers)
    assert world.transport.bodies == []


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_nobodys_failure():
    world, client = World(lambda: httpx.Response(200, stream=Chunks())), Client(b"half", leaves=True)
    await world.forward(client, (b"content-length", b"10"))
    assert (world.transport.requests, client.sent) == ([], [])
    assert world.registry.get_sample_value("futago_gateway_upstream_failures_total", {"upstream": "twin"}) is None


async def test_a_redirect_of_a_service_is_handed_on_and_never_followed():
    headers = [("location", "http://169.254.169.254/latest/meta-data")]
    world, client = World(lambda: httpx.Response(307, headers=headers, stream=Chunks())), Client()
    await world.forward(client)
    assert client.sent[0]["status"] == 307
    assert len(world.transport.requests) == 1
