"""What the gateway cannot do without, asked at most once a second."""

import asyncio
from collections.abc import Mapping

import aiohttp
import httpx
from anyio import to_thread
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from services.gateway.domain.access import Service
from services.gateway.domain.errors import RedisAway, UpstreamAway
from services.gateway.domain.upstreams import Upstream
from shared.clock import Clock
from shared.database import ping
from shared.errors import AppError
from shared.http.probes import Probe

_REMEMBERED_S = 1.0
_TIMEOUT_S = 0.8


def probes(
    engine: Engine,
    redis: Redis,
    transport: httpx.AsyncBaseTransport,
    upstreams: Mapping[Service, Upstream],
    clock: Clock,
) -> Mapping[str, Probe]:
    """Make one probe for each dependency, by name."""

    async def database() -> None:
        await to_thread.run_sync(ping, engine)

    async def redis_answers() -> None:
        try:
            await redis.ping()
        except RedisError as error:
            raise RedisAway from error

    def service(upstream: Upstream) -> Probe:
        async def answers() -> None:
            await _ask(transport, upstream)

        return answers

    asked: dict[str, Probe] = {"database": database, "redis": redis_answers}
    asked |= {name.value: service(upstream) for name, upstream in upstreams.items()}
    return {name: _Remembered(probe, clock) for name, probe in asked.items()}


class _Remembered:
    """Asks one at a time, and gives everybody who asks within a second the same answer.

    `/readyz` is open to everybody: without this, asking it would be a way to load everything behind it.
    """

    def __init__(self, probe: Probe, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked_at_s: float | None = None
        self._failure: AppError | None = None

    async def __call__(self) -> None:
        async with self._lock:
            if self._asked_at_s is None or self._clock.monotonic_s() - self._asked_at_s >= _REMEMBERED_S:
                self._failure = await self._ask()
                self._asked_at_s = self._clock.monotonic_s()
        if self._failure is not None:
            raise self._failure

    async def _ask(self) -> AppError | None:
        try:
            await self._probe()
        except AppError as error:
            return error
        return None


async def _ask(transport: httpx.AsyncBaseTransport, upstream: Upstream) -> None:
    timeouts = {"connect": _TIMEOUT_S, "pool": _TIMEOUT_S, "read": _TIMEOUT_S}
    request = httpx.Request("GET", f"{upstream.base_url}/readyz", extensions={"timeout": timeouts})
    try:
        response = await transport.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
    except (httpx.TransportError, aiohttp.ClientError) as error:
        raise UpstreamAway(upstream.service) from error
    if response.status_code != httpx.codes.OK:
        raise UpstreamAway(upstream.service)
