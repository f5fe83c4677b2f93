"""Hands a request on to a service and its answer back, both as they come."""

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache, partial
from typing import cast

import aiohttp
import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.types import Receive, Scope, Send

from services.gateway.adapters.request_body import CallerWatch, ClientLeft, RequestBody
from services.gateway.domain.access import Service
from services.gateway.domain.breaker import Breaker, State
from services.gateway.domain.errors import UpstreamAway, UpstreamBroken, UpstreamSlow
from services.gateway.domain.headers import Headers, body_length, inward, outward
from services.gateway.domain.upstreams import Handover, Upstream
from shared.clock import Clock
from shared.http.request_id import HEADER as REQUEST_ID_HEADER
from shared.internal_token import HEADER as IDENTITY_HEADER
from shared.log import get_logger
from shared.tracing import TRACEPARENT, Span, current_span

log = get_logger(__name__)

_IDENTITY = IDENTITY_HEADER.encode()
# A body up to this size is read before the service is asked: a slow client then holds no connection inside.
_READ_AHEAD_BYTES = 1024**2
# Addresses that were read once and are kept; one with a query that never comes again costs what it always did.
_MOST_ADDRESSES = 4096
# A longer one is read each time: thousands of those would hold more memory than they save time.
_LONGEST_KEPT_BYTES = 512
_STATES = (State.CLOSED, State.HALF_OPEN, State.OPEN)


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
        states = Gauge(
            "futago_gateway_breaker_state",
            "Of the breaker before a service: 0 closed, 1 half open, 2 open",
            ("upstream",),
            registry=registry,
        )
        for service in breakers:
            states.labels(service).set_function(partial(self._breaker_state, service))

    def _breaker_state(self, service: Service) -> float:
        return _STATES.index(self._breakers[service].state(self._clock.monotonic_s()))

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
            span = current_span()
            if span is None:
                response = await self._ask(upstream, request, body)
            else:
                response = await self._ask_traced(span, upstream, request, body)
            try:
                await self._relay(upstream, handover, response, send)
            finally:
                await response.aclose()

    async def _ask_traced(
        self, span: Span, upstream: Upstream, request: httpx.Request, body: RequestBody
    ) -> httpx.Response:
        """Ask as a part of the trace that the service goes on with, until its answer begins."""
        call = span.child(f"call {upstream.service}", outgoing=True)
        request.headers[TRACEPARENT] = call.traceparent
        status = 0
        try:
            response = await self._ask(upstream, request, body)
            status = response.status_code
        finally:
            call.end({"server.address": upstream.service, "http.response.status_code": status}, failed=not status)
        return response

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

    async def _relay(self, upstream: Upstream, handover: Handover, response: httpx.Response, send: Send) -> None:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # The caller was verified here: it is the gateway that the service did not believe.
            log.error("identity_refused", upstream=upstream.service)
            raise UpstreamBroken(upstream.service)
        headers = outward(response.headers.raw)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        # Where the length is known, the last part is sent as the last: a message less for nearly every answer.
        left = _length(headers)
        try:
            async for chunk in cast("AsyncIterator[bytes]", response.stream):
                # A stream may go on for a day; a caller whose credential has ended meanwhile hears no more of it.
                if left < 0 and not handover.still_counts():
                    log.info("answer_ended_with_credential", upstream=upstream.service)
                    return
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left != 0})
        except (httpx.TransportError, aiohttp.ClientError) as error:
            # Too late for another status: an answer that does not end makes the server cut the connection.
            self._failures.labels(upstream.service, "broken_off").inc()
            log.warning("answer_broken_off", upstream=upstream.service, error=type(error).__name__)
            return
        if left:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _request(upstream: Upstream, handover: Handover, scope: Scope, body: RequestBody) -> httpx.Request:
    headers = inward(scope["headers"])
    headers.append((_IDENTITY, handover.identity.encode()))
    headers.append((REQUEST_ID_HEADER, handover.request_id.encode()))
    stream: httpx.ByteStream | _Streamed
    read_ahead = body.length is not None and body.length <= _READ_AHEAD_BYTES
    if read_ahead:
        # As a stream too, or httpx would look at it once more to find out about its length and its kind.
        stream = httpx.ByteStream(await body.read())
    else:
        stream = _Streamed(body)
        if body.length is not None:
            headers.append((b"content-length", str(body.length).encode()))
    request = httpx.Request(
        scope["method"],
        _address(upstream.base_url, scope["raw_path"], scope["query_string"]),
        headers=headers,
        stream=stream,
        extensions={"timeout": _timeouts(upstream, handover.answer_timeout_s)},
    )
    if read_ahead:
        # A request that has been read goes out with its length, and can be sent again.
        request.read()
    return request


class _Streamed(httpx.AsyncByteStream):
    def __init__(self, body: RequestBody) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)


def _address(base_url: str, raw_path: bytes, query: bytes) -> httpx.URL:
    read = _kept_address if len(raw_path) + len(query) <= _LONGEST_KEPT_BYTES else _read_address
    return read(base_url, raw_path, query)


def _read_address(base_url: str, raw_path: bytes, query: bytes) -> httpx.URL:
    target = raw_path + b"?" + query if query else raw_path
    return httpx.URL(base_url + target.decode("ascii"))


_kept_address = lru_cache(maxsize=_MOST_ADDRESSES)(_read_address)


@lru_cache(maxsize=64)
def _timeouts(upstream: Upstream, answer_timeout_s: float) -> Mapping[str, float]:
    connect_s = upstream.connect_timeout_s
    return {"connect": connect_s, "pool": connect_s, "read": answer_timeout_s}


def _length(headers: Headers) -> int:
    """Bytes of an answer; below zero where it does not say, or says so of a body that it does not have."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), -1) or -1


def _failure(service: Service, error: Exception) -> UpstreamAway | UpstreamBroken | UpstreamSlow:
    # The transport calls a refused connection, and one that was closed in the middle, both `ConnectTimeout`.
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.SocketTimeoutError | httpx.ReadTimeout):
        return UpstreamSlow(service)
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | httpx.ConnectError):
        return UpstreamAway(service)
    return UpstreamBroken(service)
