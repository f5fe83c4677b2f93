"""Hands a request on to a service and its answer back, both as they come."""

from collections.abc import AsyncIterator, Mapping
from typing import cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from prometheus_client import CollectorRegistry, Counter
from starlette.types import Receive, Scope, Send

from services.gateway.adapters.request_body import CallerWatch, ClientLeft, RequestBody
from services.gateway.domain.access import Service
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.errors import UpstreamAway, UpstreamBroken, UpstreamSlow
from services.gateway.domain.headers import body_length, inward, outward
from services.gateway.domain.upstreams import Handover, Upstream
from shared.clock import Clock
from shared.internal_token import HEADER as IDENTITY_HEADER
from shared.log import get_logger

log = get_logger(__name__)

# A body up to this size is read before the service is asked: a slow client then holds no connection inside.
_READ_AHEAD_BYTES = 1024**2
_MAX_CONNECTIONS_PER_SERVICE = 256
# Less than the time after which a service closes an idle connection, or a request could meet a closing one [s].
_KEEP_ALIVE_S = 30.0


def open_transport() -> httpx.AsyncBaseTransport:
    """Make the pooled transport to the services; whoever asks for it closes it."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=_MAX_CONNECTIONS_PER_SERVICE, keepalive_timeout=_KEEP_ALIVE_S
            ),
            # One session serves all callers: a cookie that one of them was given must not go out with the next.
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    return AiohttpTransport(client=session)


class Forwarder:
    """A reverse proxy for the services behind the door."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        breakers: Mapping[Service, Breaker],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._transport = transport
        self._breakers = breakers
        self._clock = clock
        self._failures = Counter(
            "futago_gateway_upstream_failures",
            "Requests that a service did not answer",
            ("upstream", "reason"),
            registry=registry,
        )

    async def forward(self, upstream: Upstream, handover: Handover, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with what the service says.

        Raises
        ------
        AmbiguousFraming, BodyTooLarge
            If the request's body cannot be passed on.
        UpstreamAway, UpstreamBroken, UpstreamSlow
            If there is no answer, as long as none has begun.
        """
        body = RequestBody(receive, body_length(scope["headers"]), handover.body_limit_bytes)
        with CallerWatch(body):
            request = await _request(upstream, handover, scope, body)
            response = await self._ask(upstream, request, body)
            try:
                await self._relay(upstream, response, send)
            finally:
                await response.aclose()

    async def _ask(self, upstream: Upstream, request: httpx.Request, body: RequestBody) -> httpx.Response:
        breaker = self._breakers[upstream.service]
        if (wait_s := breaker.admit(self._clock.monotonic_s())) > 0:
            raise UpstreamAway(upstream.service, retry_after_s=wait_s)
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError, ClientLeft) as error:
            # The caller's body failed, not the service.
            if body.failure is not None:
                raise body.failure from error
            failure = _failure(upstream.service, error)
            self._failures.labels(upstream.service, failure.code).inc()
            if not isinstance(failure, UpstreamSlow):
                breaker.failed(self._clock.monotonic_s())
            raise failure from error
        breaker.succeeded()
        return response

    async def _relay(self, upstream: Upstream, response: httpx.Response, send: Send) -> None:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # The caller was verified here: it is the gateway that the service did not believe.
            log.error("identity_refused", upstream=upstream.service)
            raise UpstreamBroken(upstream.service)
        headers = outward(response.headers.raw)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        try:
            async for chunk in cast("AsyncIterator[bytes]", response.stream):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (httpx.TransportError, aiohttp.ClientError) as error:
            # Too late for another status: an answer that does not end makes the server cut the connection.
            self._failures.labels(upstream.service, "broken_off").inc()
            log.warning("answer_broken_off", upstream=upstream.service, error=type(error).__name__)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _request(upstream: Upstream, handover: Handover, scope: Scope, body: RequestBody) -> httpx.Request:
    headers = inward(scope["headers"])
    headers.append((IDENTITY_HEADER.encode(), handover.identity.encode()))
    headers.append((b"x-request-id", handover.request_id.encode()))
    content: bytes | RequestBody = body
    if body.length is not None and body.length <= _READ_AHEAD_BYTES:
        content = await body.read()
    elif body.length is not None:
        headers.append((b"content-length", str(body.length).encode()))
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    target = (scope["raw_path"] + query).decode("ascii")
    timeouts = {
        "connect": upstream.connect_timeout_s,
        "pool": upstream.connect_timeout_s,
        "read": handover.answer_timeout_s,
    }
    return httpx.Request(
        scope["method"],
        upstream.base_url + target,
        headers=headers,
        content=content,
        extensions={"timeout": timeouts},
    )


def _failure(service: Service, error: Exception) -> UpstreamAway | UpstreamBroken | UpstreamSlow:
    # The transport calls a refused connection, and one that was closed in the middle, both `ConnectTimeout`.
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.SocketTimeoutError | httpx.ReadTimeout):
        return UpstreamSlow(service)
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | httpx.ConnectError):
        return UpstreamAway(service)
    return UpstreamBroken(service)
