"""A pooled connection that the service closed meanwhile, as when it is restarted: who is asked again, and who not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from services.gateway.adapters.transport import open_transport
from shared.http.tls import client_context

TIMEOUT = {"timeout": {"connect": 1.0, "pool": 1.0, "read": 5.0}}


class Closing:
    """A service that answers once on each connection, and closes it when it is asked again."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.targets: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            self.asked.append(method)
            self.targets.append(target)
            if number == 0:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def served(service: Closing) -> AsyncIterator[str]:
    server = await asyncio.start_server(service, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def ask(transport: httpx.AsyncBaseTransport, method: str, url: str) -> int:
    request = httpx.Request(method, url, content=b"", extensions=TIMEOUT)
    response = await transport.handle_async_request(request)
    await response.aread()
    await response.aclose()
    return response.status_code


async def test_what_may_be_repeated_is_asked_once_more_over_a_new_connection():
    service = Closing()
    async with served(service) as url, open_transport(client_context(None)) as transport:
        assert [await ask(transport, "GET", f"{url}/a") for _ in range(2)] == [200, 200]
    assert service.asked == [b"GET"] * 3


async def test_what_may_not_be_repeated_never_is():
    service = Closing()
    async with served(service) as url, open_transport(client_context(None)) as transport:
        assert await ask(transport, "POST", f"{url}/a") == 200
        with pytest.raises(httpx.TransportError):
            await ask(transport, "POST", f"{url}/a")
    assert service.asked == [b"POST"] * 2


async def test_an_address_goes_out_byte_for_byte():
    service, target = Closing(), "/api/v1/x/a%2bb%7E~%C3%A9?q=%2b+&q=a%20b&empty="
    async with served(service) as url, open_transport(client_context(None)) as transport:
        await ask(transport, "GET", url + target)
    assert service.targets == [target.encode()]
