"""Redis clients that never make a caller wait: hard timeouts, no retries.

The defaults of redis-py 8 block for 4.5 s when the server refuses and for more than 12 s when it hangs. A caller
that may retry knows better than a client when, and how often.

Each takes `redis://`, `rediss://`, or the address of sentinels (`shared.redis_url`). Of these the master is asked for
whenever a connection is made: once it has failed over, the next command finds the new one.
"""

from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.asyncio import BlockingConnectionPool as AsyncBoundedPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from shared.redis_url import SentinelAddress, sentinel_address

# A process on one core keeps no more than a few busy. Without a bound, as many requests as come at once would open as
# many connections, and on a busy machine none of them in time.
MOST_CONNECTIONS = 16
# Opening one takes several turns of an event loop that has others to serve: longer than an answer may take [s].
_CONNECT_S = 1.0
_UNBOUNDED = 2**31


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long to wait for an answer, and for a connection [s]."""

    answer_s: float
    connect_s: float


def async_client(url: str, *, timeout_s: float = 0.25) -> AsyncRedis:
    """Client for the event loop of a service; answers are `bytes`.

    It opens `MOST_CONNECTIONS` at most; who finds all of them taken waits for one as long as for a new one.

    Parameters
    ----------
    url
        `redis://:password@host:port/0`, `rediss://` for TLS, or the address of sentinels.
    timeout_s
        Longest wait for each answer [s]; a connection may take a second.
    """
    return _async(url, _Patience(timeout_s, max(timeout_s, _CONNECT_S)), most=MOST_CONNECTIONS)


def blocking_client(url: str, *, timeout_s: float = 0.25) -> Redis:
    """Client for threads and short commands; parameters as for `async_client`."""
    return _blocking(url, _Patience(timeout_s, timeout_s))


def waiting_client(url: str, *, wait_s: float, timeout_s: float = 1.0) -> Redis:
    """Client of a worker that waits inside Redis (`BLPOP`, `XREAD BLOCK`).

    Parameters
    ----------
    wait_s
        Longest block it will ask for [s]; the socket is given `timeout_s` more, so that a server that hangs is
        told from one that has nothing to say.
    """
    return _blocking(url, _Patience(wait_s + timeout_s, timeout_s))


def async_waiting_client(url: str, *, wait_s: float, timeout_s: float = 1.0) -> AsyncRedis:
    """Client of a consumer loop on the event loop; parameters as for `waiting_client`."""
    # Each of those who wait holds a connection: nobody may have to wait for another to be told something.
    return _async(url, _Patience(wait_s + timeout_s, timeout_s), most=_UNBOUNDED)


class _Pool(SentinelConnectionPool):
    """Closes its connections to the sentinels along with those to the master."""

    def close(self) -> None:
        super().close()
        self.sentinel_manager.close()


class _AsyncPool(AsyncSentinelConnectionPool, AsyncBoundedPool):
    """As `_Pool`; bounded, as each that is made here."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def _blocking(url: str, patience: _Patience) -> Redis:
    options = _options(patience, Retry(NoBackoff(), 0))
    address = sentinel_address(url)
    if address is None:
        return Redis.from_url(url, **options)
    to_server, to_sentinels = _connections(address, options, patience)
    sentinel = Sentinel(address.sentinels, sentinel_kwargs=to_sentinels, **to_server)  # type: ignore[no-untyped-call]
    return cast("Redis", sentinel.master_for(address.master, connection_pool_class=_Pool))  # type: ignore[no-untyped-call]


def _async(url: str, patience: _Patience, *, most: int) -> AsyncRedis:
    options = _options(patience, AsyncRetry(NoBackoff(), 0))
    bounds = {"max_connections": most, "timeout": patience.connect_s}
    address = sentinel_address(url)
    if address is None:
        return AsyncRedis.from_pool(AsyncBoundedPool.from_url(url, **options, **bounds))
    to_server, to_sentinels = _connections(address, options, patience)
    to_server |= bounds
    sentinel = AsyncSentinel(address.sentinels, sentinel_kwargs=to_sentinels, **to_server)  # type: ignore[no-untyped-call]
    return cast("AsyncRedis", sentinel.master_for(address.master, connection_pool_class=_AsyncPool))


def _options(patience: _Patience, retry: Retry | AsyncRetry) -> dict[str, Any]:
    return {"socket_timeout": patience.answer_s, "socket_connect_timeout": patience.connect_s, "retry": retry}


def _connections(
    address: SentinelAddress, options: dict[str, Any], patience: _Patience
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of connections to a server, and of those to a sentinel."""
    told = parse_url(address.server_url)  # type: ignore[no-untyped-call]
    tls = told.pop("connection_class", None) is SSLConnection
    secured = {name: value for name, value in told.items() if name.startswith("ssl_")} | {"ssl": tls}
    to_server = {name: value for name, value in told.items() if name not in {"host", "port"}} | options | {"ssl": tls}
    # A sentinel answers at once, also to who will then wait for long.
    to_sentinels = secured | options | {"socket_timeout": patience.connect_s} | address.credentials
    return to_server, to_sentinels
