"""What happens around every request, as plain ASGI: id, log, metrics, size limit, deadline.

Pure ASGI because Starlette's `BaseHTTPMiddleware` costs a task and two queues for each request.
"""

import asyncio
import time
from collections.abc import Collection

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import AppError, Kind
from shared.http.headers import header
from shared.http.metrics import ServiceMetrics
from shared.http.probes import PROBE_PATHS
from shared.http.problems import internal_problem, problem_of
from shared.http.request_id import HEADER, accept_or_make, set_request_id
from shared.http.request_log import RequestLog
from shared.http.strict_json import check_json
from shared.log import get_logger

log = get_logger(__name__)
# Methods a client can invent would each make a new time series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# A layer that answers without a route of the framework names its template here.
ROUTE_KEY = "futago.route"
# How gzip and zlib begin, and JSON never does: left to whoever unpacks it, and refused by every other reader.
_PACKED = (b"\x1f\x8b", b"x")
# Of a length; Python refuses to read a number of thousands of digits.
_MOST_DIGITS = 18


class BodyTooLarge(AppError):
    """The request's body is larger than this path accepts."""

    kind, code = Kind.TOO_LARGE, "request.body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes} bytes", limit_bytes=limit_bytes)


class EncodingUnsupported(AppError):
    """The body is packed, and nobody here unpacks it: a small one can hold more than any memory."""

    kind, code = Kind.UNSUPPORTED, "request.encoding_unsupported"

    def __init__(self) -> None:
        super().__init__("the body is packed (Content-Encoding); send it as it is")


class BodyStalled(AppError):
    """The rest of the body did not come."""

    kind, code = Kind.DEADLINE, "request.body_stalled"

    def __init__(self, idle_s: float) -> None:
        super().__init__(f"no further part of the body came within {idle_s:g} s", idle_s=idle_s)


class DeadlineExceeded(AppError):
    """No answer was ready in time."""

    kind, code = Kind.DEADLINE, "request.deadline_exceeded"

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"no answer within {deadline_s:g} s", retry_after_s=1.0, deadline_s=deadline_s)


class AddressUnusable(AppError):
    """The path or the query holds a zero byte: nothing is called that, and no database keeps it in a text."""

    kind, code = Kind.INVALID, "request.address_unusable"

    def __init__(self) -> None:
        super().__init__("the address holds a zero byte")


class RequestContext:
    """Outermost: gives the request its id, writes one log line and one metric, answers 500 for a bug."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, request_log: RequestLog) -> None:
        self._app, self._metrics, self._log = app, metrics, request_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            self._log.flush()
            return
        request_id = accept_or_make(header(scope, HEADER))
        set_request_id(request_id)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message.get("headers", ()) if pair[0] != HEADER]
                message["headers"] = [*headers, (HEADER, request_id.encode())]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            _check_address(scope)
            await self._app(scope, receive, send_with_id)
        except AppError as error:
            if status:
                raise
            await problem_of(error, scope["path"])(scope, receive, send_with_id)
        except ClientDisconnect:
            # Nobody hears an answer any more; that is no fault of ours, and no reason to fill the log.
            pass
        except Exception:
            log.exception("request_failed", path=scope["path"])
            if not status:
                await internal_problem(scope["path"])(scope, receive, send_with_id)
        finally:
            self._metrics.in_flight.dec()
            self._finish(scope, request_id, status or 499, time.perf_counter() - started)

    def _finish(self, scope: Scope, request_id: str, status: int, duration_s: float) -> None:
        """Count and log; 499 (nginx's number) is a client that went away before the answer began."""
        method, route = route_of(scope)
        self._metrics.observe(method=method, route=route, status=status, duration_s=duration_s)
        if scope["path"] not in PROBE_PATHS:
            self._log.add(
                request_id=request_id, method=method, path=scope["path"], status=status, duration_s=duration_s
            )


def route_of(scope: Scope) -> tuple[str, str]:
    """Method and template of the route that answered: names that a caller cannot make up."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    return method, scope.get(ROUTE_KEY) or getattr(scope.get("route"), "path", None) or "unmatched"


def _check_address(scope: Scope) -> None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise AddressUnusable


class BodyLimit:
    """Refuses a body over its limit before it is held in memory, and JSON that is not JSON.

    Python's parser takes `NaN`, `Infinity`, numbers beyond a double, lone surrogates, UTF-16 and UTF-32; none of them
    is JSON that others read alike (RFC 8259, RFC 7493), and most would come back as a 500 when written out again, as
    would values nested by the hundred.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit_bytes: int,
        upload_limit_bytes: int,
        idle_s: float,
        upload_paths: Collection[str] = (),
        unpacking_prefix: str | None = None,
    ) -> None:
        self._app, self._limit_bytes, self._idle_s = app, limit_bytes, idle_s
        self._unpacking_prefix = unpacking_prefix
        self._upload_limit_bytes, self._upload_paths = upload_limit_bytes, frozenset(upload_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in self._upload_paths:
            limit_bytes, buffer = self._upload_limit_bytes, False
        else:
            limit_bytes, buffer = self._limit_bytes, b"json" in (header(scope, b"content-type") or b"").lower()
        if _is_packed(scope) and not (self._unpacking_prefix and scope["path"].startswith(self._unpacking_prefix)):
            raise EncodingUnsupported
        declared = header(scope, b"content-length") or b"0"
        if not declared.isdigit() or len(declared) > _MOST_DIGITS or int(declared) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if buffer:
            await self._app(scope, await _checked_json(receive, limit_bytes), send)
        else:
            await self._stream(scope, receive, send, limit_bytes)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, limit_bytes: int) -> None:
        received, complete, refused = 0, False, False
        fault: AppError | None = None

        async def counted() -> Message:
            nonlocal received, complete, fault
            try:
                # An upload has no deadline, so one that stops in the middle would be waited for for ever.
                async with asyncio.timeout(None if complete else self._idle_s):
                    message = await receive()
            except TimeoutError as error:
                fault = BodyStalled(self._idle_s)
                raise fault from error
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > limit_bytes:
                fault = BodyTooLarge(limit_bytes)
                raise fault
            return message

        async def send_or_refuse(message: Message) -> None:
            # FastAPI turns any error while it reads a body into a 400 of its own; ours says what is wrong.
            nonlocal refused
            if fault is not None and message["type"] == "http.response.start":
                refused = True
                await problem_of(fault, scope["path"])(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, counted, send_or_refuse)


def _is_packed(scope: Scope) -> bool:
    return any(name == b"content-encoding" and value.lower() != b"identity" for name, value in scope["headers"])


async def _checked_json(receive: Receive, limit_bytes: int) -> Receive:
    """Read the whole body, check it, and hand it on as one message."""
    chunks: list[bytes] = []
    received, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return receive
        chunks.append(message.get("body", b""))
        received += len(chunks[-1])
        if received > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        more = message.get("more_body", False)
    body = b"".join(chunks)
    if not body.startswith(_PACKED):
        check_json(body)
    return put_back({"type": "http.request", "body": body, "more_body": False}, receive)


def put_back(message: Message, receive: Receive) -> Receive:
    """Hand on a message that was taken, and then what follows it."""
    taken = False

    async def receive_again() -> Message:
        nonlocal taken
        if taken:
            return await receive()
        taken = True
        return message

    return receive_again


class Deadline:
    """Ends a request whose answer has not begun in time; a stream that has begun may go on."""

    def __init__(self, app: ASGIApp, *, deadline_s: float, exempt_paths: Collection[str] = ()) -> None:
        self._app, self._deadline_s, self._exempt_paths = app, deadline_s, frozenset(exempt_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt_paths:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._deadline_s) as timer:

                async def send_in_time(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        timer.reschedule(None)
                    await send(message)

                await self._app(scope, receive, send_in_time)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise DeadlineExceeded(self._deadline_s) from error
