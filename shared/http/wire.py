"""HTTP/1.1 as it comes over the wire, from clients that may be slow, greedy or hostile.

uvicorn's protocol over httptools, because its parser (llhttp, C) takes a tenth of the time of h11 and refuses what can
be read in two ways. uvicorn leaves three things open that a door to the outside must close. It has no time limit for a
request's head or body and none for a client that does not read its answer; it has no limit on the length and number
of header fields; and it adds the trailer fields of a chunked body to the headers of the request, after the fact.

References
----------
.. [1] RFC 9112, HTTP/1.1: sections 3.2 (target and Host), 6.1 and 6.3 (framing), 9.6 (closing), 11.2 (smuggling)
.. [2] RFC 9110, HTTP Semantics: section 6.5.1 (trailer fields), 15.5 (status codes)
.. [3] RFC 6585: 431 Request Header Fields Too Large
"""

import asyncio
import contextlib
import contextvars
import math
import re
import socket
import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from shared.http.connections import Connections
from shared.http.corked import CorkedTransport
from shared.http.problems import problem
from shared.http.request_id import HEADER, accept_or_make, set_request_id

# SO_LINGER, on, for no time: closing sends a reset (socket(7)).
_NO_LINGER = struct.pack("ii", 1, 0)
_HTTP_1_0, _HTTP_1_1 = "1.0", "1.1"
# The header field with a token in it: one that is too long is no valid token, and is told as such.
_AUTHORIZATION = b"authorization"
# RFC 3986, 3.2.2 and 3.2.3: what a host and a port are written with; RFC 9112, 3.2: anything else is a 400.
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*[ \t]*")


class _Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    """From the application, or for the client to read it."""
    REST_OF_BODY = auto()
    """Of a request that has been answered already."""
    IDLE = auto()


class Refusal(Enum):
    """Why a request is turned away before anybody reads it: status, code and a sentence."""

    MALFORMED = 400, "request.malformed", "this is not a request of HTTP"
    HOST = 400, "request.host_unclear", "a request names exactly one host, and its target no other one"
    TARGET = 400, "request.target_unclear", "the target of a request is a path, without a fragment"
    FRAMING = 400, "request.framing_unclear", "HTTP/1.0 knows no transfer coding"
    PIPELINE = 400, "request.too_many_pipelined", "too many requests were sent before the first was answered"
    TOKEN = 401, "auth.invalid_token", "the token is missing, expired or not valid here"
    TIMEOUT = 408, "request.too_slow", "the request did not come in time"
    URL = 414, "request.url_too_long", "the target of the request is too long"
    HEAD = 431, "request.head_too_large", "there are too many header fields, or they are too long"
    FULL = 503, "request.too_many_connections", "there are too many connections"
    VERSION = 400, "request.version_unknown", "the versions of HTTP spoken here are 1.1 and 1.0"

    def __init__(self, status: int, code: str, detail: str) -> None:
        self.status, self.code, self.detail = status, code, detail


class _Nowhere(list[tuple[bytes, bytes]]):
    """Takes trailer fields, which come after the request was judged by its headers, and keeps none."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        return


_NOWHERE = _Nowhere()


class WireProtocol(HttpToolsProtocol):
    """One connection, held to the limits.

    Parameters
    ----------
    on_refusal
        Hears of each request or connection that is turned away.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        register: Connections,
        on_refusal: Callable[[Refusal], None],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._register, self._limits, self._on_refusal = register, register.limits, on_refusal
        self.address = ""
        # Once true, nothing that comes is read any more.
        self._deaf = False
        self._refusal: Refusal | None = None
        self._phase = _Phase.HEAD
        # When the phase began; moved on by whatever time it was held up here, and not by the client.
        self._since_s = register.now_s
        # Since the parser last handed something on: an unfinished head, or padding between the parts of a body.
        self._undigested_bytes = 0
        # How the line of an unfinished head begins that has not ended yet.
        self._line = b""
        self._body_bytes = 0
        self._unsent_bytes = 0
        self._unsent_since_s = 0.0
        self._closing_since_s: float | None = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        self._corked = CorkedTransport(transport, self.loop)
        super().connection_made(self._corked)
        self.address = self._register.counted_as(self.client[0] if self.client else None)
        if not self._register.admit(self):
            self._deaf = True
            self._turn_away(Refusal.FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._register.release(self)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # The event loop now closes the connection: what was written before goes out first.
        self._corked.flush()

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEAD)
        self._undigested_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as if nothing else had been asked for (RFC 9110, 7.8). What follows may be the other protocol.
            self._deaf = True
            self.cycle.keep_alive = False
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal.MALFORMED)
            return
        if self._phase is _Phase.HEAD:
            self._note_line(data)
        if self._undigested_bytes > self._limits.head_bytes + self._limits.url_bytes:
            self._refuse(self._what_is_too_long())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent_bytes, self._unsent_since_s = self.transport.get_write_buffer_size(), self._register.now_s

    # --- the parser's callbacks ---

    def on_headers_complete(self) -> None:
        self._refusal = self._fault_of_head()
        if self._refusal is not None:
            raise ValueError(self._refusal.code)
        super().on_headers_complete()
        self.headers = _NOWHERE
        self._undigested_bytes = self._body_bytes = 0
        self._line = b""
        self._phase, self._since_s = _Phase.BODY, self._register.now_s

    def on_body(self, body: bytes) -> None:
        self._undigested_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._undigested_bytes = 0
        if self.cycle.response_complete:
            self._enter(_Phase.IDLE)
        else:
            self._phase = _Phase.ANSWER

    def on_response_complete(self) -> None:
        # Not the base class's: it starts a timer for each answer, of which the look at all connections takes care.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._phase is _Phase.BODY and self.cycle.response_complete:
            self._enter(_Phase.REST_OF_BODY)
        elif self._phase is _Phase.ANSWER:
            self._enter(_Phase.IDLE)

    # --- the register's view ---

    def waits_since_s(self) -> float | None:
        """Since when it has had no request to answer [s]; `None` while it has one."""
        return self._since_s if self._phase in {_Phase.HEAD, _Phase.IDLE} else None

    def make_room(self) -> None:
        """Close it, as others want to come in."""
        self._cut_off()

    def check(self, now_s: float, passed_s: float) -> None:
        """Close the connection if its client has taken too long; `passed_s` is the time since the last look [s]."""
        # What began since the last look is noted as of that look, which is too early by up to `passed_s`.
        latest_s = now_s - passed_s
        if self.transport.is_closing():
            self._end_what_does_not_close(latest_s)
        elif self.flow.write_paused:
            taken_bytes = max(0, self._unsent_bytes - self.transport.get_write_buffer_size())
            if latest_s - self._unsent_since_s > self._patience_s(taken_bytes):
                self._cut_off()
        elif self._phase is _Phase.BODY and (self.flow.read_paused or self.cycle.waiting_for_100_continue):
            # Nobody here takes what has come so far, or has asked for it: that is not the client's time.
            self._since_s += passed_s
        elif latest_s - self._since_s > self._time_allowed_s():
            self._time_out()

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._since_s = phase, self._register.now_s

    def _time_allowed_s(self) -> float:
        limits = self._limits
        match self._phase:
            case _Phase.HEAD:
                return limits.head_timeout_s
            case _Phase.BODY:
                return self._patience_s(self._body_bytes)
            case _Phase.REST_OF_BODY:
                return limits.linger_s
            case _Phase.IDLE:
                return limits.keep_alive_s
            case _Phase.ANSWER:
                # The application has a deadline of its own, and a stream of events may go on for days.
                return math.inf

    def _patience_s(self, moved_bytes: int) -> float:
        return self._limits.stall_timeout_s + moved_bytes / self._limits.slowest_bytes_per_s

    def _time_out(self) -> None:
        if self._phase is _Phase.BODY or (self._phase is _Phase.HEAD and self._undigested_bytes):
            self._refuse(Refusal.TIMEOUT)
        else:
            # Nothing was asked, or it has been answered.
            self.transport.close()

    def _end_what_does_not_close(self, latest_s: float) -> None:
        """A transport that closes first sends what it holds, for as long as its client takes to read that."""
        held_bytes = self.transport.get_write_buffer_size()
        if self._closing_since_s is None:
            self._closing_since_s, self._unsent_bytes = self._register.now_s, held_bytes
        elif latest_s - self._closing_since_s > self._patience_s(max(0, self._unsent_bytes - held_bytes)):
            self._cut_off()

    def _cut_off(self) -> None:
        """Close at once, and have the kernel forget what it still holds for a client that does not read it."""
        connection = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    # --- turning away ---

    def _fault_of_head(self) -> Refusal | None:
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        fault = self._fault_of_size()
        if fault is None and (version != _HTTP_1_1 or names.count(b"host") != 1):
            fault = _fault_of_version(version, names)
        if fault is not None:
            return fault
        url = self.url
        if b"#" in url:
            return Refusal.TARGET
        # Version 1.0 may do without.
        host = self.headers[names.index(b"host")][1] if b"host" in names else b""
        if _HOST.fullmatch(host) is None:
            return Refusal.HOST
        return None if url[:1] == b"/" else _fault_of_absolute(url, host)

    def _fault_of_size(self) -> Refusal | None:
        limits, headers = self._limits, self.headers
        if len(self.url) > limits.url_bytes:
            return Refusal.URL
        # Counted each time: what has come since the last request is less, where several came in one piece.
        if len(headers) > limits.headers:
            return Refusal.HEAD
        if sum(len(name) + len(value) for name, value in headers) > limits.head_bytes:
            longest = max(headers, key=lambda field: len(field[1]))
            return Refusal.TOKEN if longest[0] == _AUTHORIZATION else Refusal.HEAD
        return Refusal.PIPELINE if len(self.pipeline) >= limits.pipelined else None

    def _note_line(self, data: bytes) -> None:
        if begun_at := data.rfind(b"\n") + 1:
            self._line = b""
        self._line += data[begun_at : begun_at + len(_AUTHORIZATION) + 1 - len(self._line)]

    def _what_is_too_long(self) -> Refusal:
        """Why a head is refused that has grown beyond its limits and has not ended."""
        if len(self.url) > self._limits.url_bytes:
            return Refusal.URL
        return Refusal.TOKEN if self._line.lower() == _AUTHORIZATION + b":" else Refusal.HEAD

    def _refuse(self, refusal: Refusal) -> None:
        """Turn away what has come last, and with it the connection, on which nothing can be told apart any more."""
        self._deaf = True
        cycle = self.cycle
        if self._phase is _Phase.HEAD:
            self._turn_away(refusal)
        elif self._phase is _Phase.ANSWER:
            # What came before is answered, and nothing after it.
            self._on_refusal(refusal)
            cycle.keep_alive = False
        elif cycle.response_started or self.pipeline:
            # One answer is on its way, and there is no room for another.
            self._on_refusal(refusal)
            self.transport.close()
        else:
            # The application still waits for the rest of this body.
            cycle.disconnected = True
            cycle.message_event.set()
            self._turn_away(refusal)

    def _turn_away(self, refusal: Refusal) -> None:
        self._on_refusal(refusal)
        self.transport.write(contextvars.copy_context().run(_answer, refusal, self.server_state.default_headers))
        self.transport.close()


def _fault_of_version(version: str, names: list[bytes]) -> Refusal | None:
    if version not in {_HTTP_1_1, _HTTP_1_0}:
        return Refusal.VERSION
    if names.count(b"host") > 1 or (version == _HTTP_1_1 and b"host" not in names):
        return Refusal.HOST
    # Only version 1.0 is left, whose readers would not look at a transfer coding.
    return Refusal.FRAMING if b"transfer-encoding" in names else None


def _fault_of_absolute(url: bytes, host: bytes) -> Refusal | None:
    """A target with scheme and host is as good as a path (RFC 9112, 3.2.2), if both say the same host."""
    try:
        parts = urlsplit(url.decode("ascii"))
    except ValueError:
        return Refusal.TARGET
    if parts.scheme not in {"http", "https"} or not parts.path.startswith("/"):
        return Refusal.TARGET
    return None if parts.netloc.lower() == host.decode("latin-1").lower() else Refusal.HOST


def _answer(refusal: Refusal, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    request_id = accept_or_make(None)
    set_request_id(request_id)
    body = problem(status=refusal.status, code=refusal.code, detail=refusal.detail, instance="")
    headers = [
        *default_headers,
        *body.raw_headers,
        (HEADER, request_id.encode()),
        (b"connection", b"close"),
    ]
    if refusal is Refusal.TOKEN:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal is Refusal.FULL:
        headers.append((b"retry-after", b"1"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + bytes(body.body)
