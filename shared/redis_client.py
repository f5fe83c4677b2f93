"""Redis clients that never make a caller wait: hard timeouts, no retries.

The defaults of redis-py 8 block for 4.5 s when the server refuses and for more than 12 s when it hangs. A caller
that may retry knows better than a client when, and how often.
"""

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry


def async_client(url: str, *, timeout_s: float = 0.25) -> AsyncRedis:
    """Client for the event loop of a service; answers are `bytes`.

    Parameters
    ----------
    url
        `redis://:password@host:port/0`, or `rediss://` for TLS.
    timeout_s
        Longest wait for a connection and for each answer [s].
    """
    return AsyncRedis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=AsyncRetry(NoBackoff(), 0),
    )


def blocking_client(url: str, *, timeout_s: float = 0.25) -> Redis:
    """Client for threads and short commands; parameters as for `async_client`."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def waiting_client(url: str, *, wait_s: float, timeout_s: float = 1.0) -> Redis:
    """Client of a worker that waits inside Redis (`BLPOP`, `XREAD BLOCK`).

    Parameters
    ----------
    wait_s
        Longest block it will ask for [s]; the socket is given `timeout_s` more, so that a server that hangs is
        told from one that has nothing to say.
    """
    return Redis.from_url(
        url,
        socket_timeout=wait_s + timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def async_waiting_client(url: str, *, wait_s: float, timeout_s: float = 1.0) -> AsyncRedis:
    """Client of a consumer loop on the event loop; parameters as for `waiting_client`."""
    return AsyncRedis.from_url(
        url,
        socket_timeout=wait_s + timeout_s,
        socket_connect_timeout=timeout_s,
        retry=AsyncRetry(NoBackoff(), 0),
    )
