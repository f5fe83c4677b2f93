"""Answers that are larger than what the buffers of both ends hold, on connections that end with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from shared.http.connections import Connections
from shared.http.wire import WireProtocol
from shared.http.wire_limits import WireLimits

ANSWER_BYTES = 16 * 1024**2
STALL_S = 0.2
ASK = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def answer_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % ANSWER_BYTES)]})
    await send({"type": "http.response.body", "body": bytes(ANSWER_BYTES)})


@asynccontextmanager
async def asked() -> AsyncIterator[asyncio.StreamReader]:
    """The answer of a server that looks at its connections twenty times a second."""
    register = Connections(WireLimits(stall_timeout_s=STALL_S, slowest_bytes_per_s=ANSWER_BYTES / 4))
    config = uvicorn.Config(answer_at_once, log_config=None, access_log=False, ws="none")
    config.load()
    state = ServerState()

    async def look() -> None:
        while True:
            register.sweep()
            await asyncio.sleep(0.05)

    server = await asyncio.get_running_loop().create_server(
        lambda: WireProtocol(config, state, {}, register=register, on_refusal=lambda _: None), "127.0.0.1", 0
    )
    looking = asyncio.create_task(look())
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(ASK)
    yield reader
    writer.close()
    looking.cancel()
    server.close()


async def test_an_answer_that_is_read_steadily_arrives_whole_though_the_connection_is_closing():
    received = 0
    async with asked() as reader:
        while chunk := await reader.read(ANSWER_BYTES // 20):
            received += len(chunk)
            # In all several times what a client who does not read at all is given.
            await asyncio.sleep(STALL_S / 20)
    assert received > ANSWER_BYTES


async def test_who_reads_nothing_of_the_last_answer_is_cut_off():
    async with asked() as reader:
        # In small steps: a process that is held up for a while takes one of them, and the server is to have its turn.
        for _ in range(50):
            await asyncio.sleep(STALL_S / 10)
        received = 0
        try:
            while chunk := await reader.read(1024**2):
                received += len(chunk)
        except ConnectionResetError:
            pass
    assert received < ANSWER_BYTES
