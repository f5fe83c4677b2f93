"""Traces over OpenTelemetry's SDK, sent in batches by a thread of its own; imported only where they are wanted.

The SDK reads its own `OTEL_*` variables: headers and certificate of the exporter, resource attributes, batch sizes.
"""

import time
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace import Tracer as SdkTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.build_info import VERSION
from shared.tracing import TRACEPARENT, Attributes, TraceSettings

# Of one attempt to send a batch, tries included; a collector that hangs must not keep a process from ending.
_EXPORT_TIMEOUT_S = 5.0
_CLOSE_WITHIN_S = 2.0
_NS = 1_000_000_000
_PROPAGATOR = TraceContextTextMapPropagator()


class OtlpTracer:
    """Implements `tracing.Tracer`."""

    def __init__(self, settings: TraceSettings, service: str) -> None:
        resource = (
            OTELResourceDetector()
            .detect()
            .merge(Resource({SERVICE_NAME: service, "service.namespace": "futago", SERVICE_VERSION: VERSION}))
        )
        ratio = settings.sample_ratio
        # Without one, the SDK goes by OTEL_TRACES_SAMPLER.
        sampler = None if ratio is None else ParentBased(TraceIdRatioBased(ratio))
        self._provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=_EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("futago", VERSION)

    def begin(self, name: str, traceparent: str | None) -> "OtlpSpan":
        context = None if traceparent is None else _PROPAGATOR.extract({TRACEPARENT: traceparent})
        return OtlpSpan(self._tracer, self._tracer.start_span(name, context, SpanKind.SERVER))

    def close(self) -> None:
        # By itself it would wait for a collector that hangs for half a minute.
        closing = Thread(target=self._provider.shutdown, name="close-traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_WITHIN_S)
        if closing.is_alive():
            # Nothing is tried again: what still waits is dropped.
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


class OtlpSpan:
    """Implements `tracing.Span`."""

    def __init__(self, tracer: SdkTracer, span: SdkSpan) -> None:
        self._tracer, self._span = tracer, span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    def child(self, name: str, *, outgoing: bool = False) -> "OtlpSpan":
        kind = SpanKind.CLIENT if outgoing else SpanKind.INTERNAL
        return OtlpSpan(self._tracer, self._tracer.start_span(name, set_span_in_context(self._span), kind))

    def record(self, name: str, duration_s: float, attributes: Attributes, *, failed: bool) -> None:
        if not self._span.is_recording():
            return
        end_ns = time.time_ns()
        span = self._tracer.start_span(
            name,
            set_span_in_context(self._span),
            SpanKind.CLIENT if "db.system.name" in attributes else SpanKind.INTERNAL,
            attributes,
            start_time=end_ns - round(duration_s * _NS),
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(end_ns)

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def end(self, attributes: Attributes, *, failed: bool) -> None:
        self._span.set_attributes(dict(attributes))
        if failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
