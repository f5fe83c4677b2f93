"""A connection that sends what is written within one turn of the event loop in one piece."""

import asyncio

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from shared.http.connections import Connections
from shared.http.corked import CorkedTransport
from shared.http.wire import WireProtocol
from shared.http.wire_limits import WireLimits

PIECE_BYTES = 64 * 1024


class Wire(asyncio.Transport):
    """A transport that notes what it was told to do, and fails as it is told."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.told: list[object] = []
        self.closing = False
        self._fault = fault

    def writelines(self, pieces: object) -> None:
        if self._fault is not None:
            raise self._fault
        assert isinstance(pieces, list)
        self.told.append(pieces)

    def close(self) -> None:
        self.told.append("close")
        self.closing = True

    def abort(self) -> None:
        self.told.append("abort")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


async def asked_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no request was sent")


def cork(wire: Wire) -> CorkedTransport:
    return CorkedTransport(wire, asyncio.get_running_loop())


async def test_head_and_body_of_an_answer_go_out_as_one_when_the_turn_ends():
    wire = Wire()
    transport = cork(wire)
    transport.write(b"head")
    transport.write(b"")
    transport.write(b"body")
    assert wire.told == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert wire.told == [[b"head", b"body"], [b"next"]]


async def test_a_good_piece_does_not_wait():
    wire = Wire()
    transport = cork(wire)
    transport.write(b"head")
    transport.write(b"x" * PIECE_BYTES)
    assert wire.told == [[b"head", b"x" * PIECE_BYTES]]
    await asyncio.sleep(0)
    assert len(wire.told) == 1


async def test_closing_sends_what_is_held_and_aborting_does_not():
    wire = Wire()
    transport = cork(wire)
    transport.write(b"the last answer")
    transport.close()
    assert wire.told == [[b"the last answer"], "close"]
    cut = Wire()
    transport = cork(cut)
    transport.write(b"an answer nobody reads")
    transport.abort()
    await asyncio.sleep(0)
    assert cut.told == ["abort"]


async def test_nothing_is_sent_to_a_client_that_has_gone():
    wire = Wire()
    transport = cork(wire)
    transport.write(b"answer")
    wire.closing = True
    await asyncio.sleep(0)
    assert wire.told == []
    reset = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
    transport = cork(Wire(RuntimeError(reset)))
    transport.write(b"answer")
    transport.flush()
    transport = cork(Wire(RuntimeError("another fault")))
    transport.write(b"answer")
    with pytest.raises(RuntimeError, match="another fault"):
        transport.flush()


async def test_a_client_that_says_it_sends_no_more_gets_what_was_written_for_it_before():
    config = uvicorn.Config(asked_nothing, log_config=None, access_log=False, ws="none")
    register, wire = Connections(WireLimits()), Wire()
    protocol = WireProtocol(config, ServerState(), {}, register=register, on_refusal=lambda _: None)
    protocol.connection_made(wire)
    protocol.transport.write(b"answer")
    # As an event loop does: a protocol that does not want the connection kept has it closed.
    if not protocol.eof_received():
        wire.close()
    await asyncio.sleep(0)
    assert wire.told == [[b"answer"], "close"]
