"""Traces: what happened to one request, in every process it went through.

Nothing of OpenTelemetry is imported here. Where no endpoint is set, or the extra `tracing` is not installed, a request
costs one look at a variable. Spans are children of the one that the current task works on, so that no part of the code
has to be handed a tracer.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from shared.log import get_logger

TRACEPARENT = "traceparent"
Attributes = Mapping[str, str | int | float | bool]

log = get_logger(__name__)


class Span(Protocol):
    """A part of a trace that has begun."""

    @property
    def traceparent(self) -> str:
        """What the next process is told (W3C Trace Context)."""
        ...

    @property
    def trace_id(self) -> str:
        """Of the whole trace, as 32 hexadecimal digits."""
        ...

    def child(self, name: str, *, outgoing: bool = False) -> "Span":
        """Begin a part of this one; an outgoing one is a call of another process."""
        ...

    def record(self, name: str, duration_s: float, attributes: Attributes, *, failed: bool) -> None:
        """Add a part that has just ended."""
        ...

    def name(self, name: str) -> None:
        """Call it otherwise, now that more is known."""
        ...

    def end(self, attributes: Attributes, *, failed: bool) -> None:
        """It is over."""
        ...


class Tracer(Protocol):
    """Begins the spans of one process that have no parent in it."""

    def begin(self, name: str, traceparent: str | None) -> Span:
        """Begin the work that a request or a job asks for, as part of the caller's trace where it has one."""
        ...

    def close(self) -> None:
        """Send what waits, for no longer than a moment."""
        ...


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where traces go.

    Parameters
    ----------
    endpoint
        Full address that takes OTLP over HTTP, such as `http://collector:4318/v1/traces`.
    sample_ratio
        Part of the traces that begin here which is kept [1]; `None` leaves it to `OTEL_TRACES_SAMPLER`.
    """

    endpoint: str
    sample_ratio: float | None = None


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def open_tracer(settings: TraceSettings | None, service: str) -> Tracer | None:
    """The tracer of this process; `None` where no endpoint is set, or the extra is not installed (which is logged)."""
    if settings is None:
        return None
    if importlib.util.find_spec("opentelemetry") is None:
        log.warning("tracing_not_installed", extra="tracing", endpoint=settings.endpoint)
        return None
    from shared.otlp_tracing import OtlpTracer  # noqa: PLC0415 (only here, so that nobody else pays for it)

    return OtlpTracer(settings, service)


def current_span() -> Span | None:
    """The span that this task works on; `None` where nothing is traced."""
    return _current.get()


def current_traceparent() -> str | None:
    """What to hand on with work that is done later."""
    span = _current.get()
    return None if span is None else span.traceparent


@contextmanager
def working_on(span: Span) -> Iterator[None]:
    """Make it the span that this task works on."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


def record_span(name: str, duration_s: float, attributes: Attributes, *, failed: bool = False) -> None:
    """Add something that has just ended to the span that this task works on; nothing where nothing is traced."""
    span = _current.get()
    if span is not None:
        span.record(name, duration_s, attributes, failed=failed)
