"""The outermost layer of a process that is traced: one span for every request; elsewhere this layer is not there."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.headers import header
from shared.http.middleware import route_of
from shared.http.probes import PROBE_PATHS
from shared.http.request_id import current_request_id
from shared.tracing import TRACEPARENT, Span, Tracer, working_on

_TRACEPARENT = TRACEPARENT.encode()
_FAULTS_FROM = 500


class TracedRequests:
    """Begins a span for each request, as part of the caller's trace, and ends the tracer with the process."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                self._tracer.close()
        elif scope["path"] in PROBE_PATHS:
            await self._app(scope, receive, send)
        else:
            await self._traced(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = header(scope, _TRACEPARENT)
        span = self._tracer.begin("request", None if offered is None else offered.decode("latin-1"))
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with working_on(span), structlog.contextvars.bound_contextvars(trace_id=span.trace_id):
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                _end(span, scope, status)


def _end(span: Span, scope: Scope, status: int) -> None:
    # The template of the route, never the address as it came: that may hold anything, and as many as a caller likes.
    method, route = route_of(scope)
    span.name(f"{method} {route}")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": route,
        "futago.request_id": current_request_id(),
    }
    if status:
        attributes["http.response.status_code"] = status
    span.end(attributes, failed=status >= _FAULTS_FROM or not status)
