"""Asks a process over HTTP whether it is ready."""

import asyncio
import ssl
from pathlib import Path

from futago.launcher.ports import LOOPBACK, reachable_host
from futago.launcher.spec import Probe

ANSWER_TIMEOUT_S = 2.0


def http_probe(port: int, path: str, host: str = LOOPBACK, authority: Path | None = None) -> Probe:
    """Ready when this path answers 200; over TLS where there is an authority that its certificate comes from."""
    context = None if authority is None else ssl.create_default_context(cafile=str(authority))

    async def ready() -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await _status(reachable_host(host), port, path, context) == b"200"
        except (OSError, TimeoutError):
            return False

    return ready


async def _status(host: str, port: int, path: str, context: ssl.SSLContext | None) -> bytes:
    # One line of HTTP needs no client: this runs a few times a second for as long as the suite lives.
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        _version, _, rest = (await reader.readline()).partition(b" ")
        return rest[:3]
    finally:
        writer.close()
