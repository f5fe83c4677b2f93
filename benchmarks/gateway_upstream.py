"""A service that answers every request with the same 386 bytes, at next to no cost: `… gateway_upstream PORT`."""

import asyncio
import sys
from typing import cast

import uvloop

_BODY = b'{"filler":"' + b"x" * 373 + b'"}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY


class _Answering(asyncio.Protocol):
    """Takes requests without a body, several to a segment too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's own.
        self._transport, self._rest = cast("asyncio.WriteTransport", transport), b""

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        if requests:
            self._transport.write(_ANSWER * len(requests))
            if requests[-1].partition(b"\r\n")[0].endswith(b"HTTP/1.0"):
                self._transport.close()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
