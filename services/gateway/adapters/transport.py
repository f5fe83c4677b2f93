"""The pooled connections to the services: aiohttp's, behind httpx's transport interface.

`httpx_aiohttp` does most of it. Two things differ here: an address goes out as it came in, byte for byte, without being
read and written anew; and what is the same for each request to a service is made once.

A connection that the service closed while it was idle is noticed at its next use. aiohttp then asks once more over
another one, if the method is idempotent (RFC 9110, section 9.2.2), and never anything else.
"""

import ssl
from collections.abc import AsyncIterable, AsyncIterator
from functools import lru_cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions
from multidict import CIMultiDict
from yarl import URL

_MAX_CONNECTIONS_PER_SERVICE = 256
# Less than the time after which a service closes an idle connection, or a request could meet a closing one [s].
_KEEP_ALIVE_S = 30.0


def open_transport(trusted: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Make the pooled transport to the services; whoever asks for it closes it.

    Parameters
    ----------
    trusted
        Whose certificates are believed, where a service is reached over TLS.
    """

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=_MAX_CONNECTIONS_PER_SERVICE, keepalive_timeout=_KEEP_ALIVE_S, ssl=trusted
            ),
            # One session serves all callers: a cookie that one of them was given must not go out with the next.
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            # A packed answer goes out as it came in.
            auto_decompress=False,
        )

    # httpx's transport loads the machine's authorities into a context that is never used, unless it is given one.
    return _PooledTransport(verify=trusted, client=session)


class _PooledTransport(AiohttpTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        headers = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        data: bytes | AsyncIterable[bytes] | None
        try:
            data = request.content or None
        except httpx.RequestNotRead:
            data = request.stream if isinstance(request.stream, AsyncIterable) else None
            headers.popall("transfer-encoding", None)
        timeout = request.extensions["timeout"]
        try:
            response = await self.client.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=data,
                allow_redirects=False,
                timeout=_timeout(timeout["connect"], timeout["pool"], timeout["read"]),
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            with map_aiohttp_exceptions():
                raise
        return httpx.Response(
            status_code=response.status,
            headers=list(response.raw_headers),
            stream=_Answer(response),
            request=request,
        )


class _Answer(AiohttpResponseStream):
    """Hands on what has come, as much as it is, and not in pieces of one size."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._aiohttp_response.content
        try:
            while part := await content.readany():
                yield part
        except (aiohttp.ClientError, TimeoutError, OSError):
            with map_aiohttp_exceptions():
                raise


@lru_cache(maxsize=64)
def _timeout(connect_s: float, pool_s: float, read_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, connect=pool_s, sock_read=read_s)
