import importlib.util
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.http.metrics import ServiceMetrics
from shared.http.middleware import ROUTE_KEY, RequestContext
from shared.http.request_log import RequestLog
from shared.http.traced import TracedRequests
from shared.settings import ProcessSettings
from shared.tracing import (
    Attributes,
    TraceSettings,
    current_span,
    current_traceparent,
    open_tracer,
    record_span,
    working_on,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class FakeSpan:
    """Remembers what it was told."""

    def __init__(self, name: str, told: str | None = None) -> None:
        self.called, self.told, self.parts = name, told, []
        self.attributes: dict[str, Any] = {}
        self.failed: bool | None = None
        self.traceparent, self.trace_id = TRACEPARENT, "0af7651916cd43dd8448eb211c80319c"

    def child(self, name: str, *, outgoing: bool = False) -> "FakeSpan":
        return FakeSpan(name)

    def record(self, name: str, duration_s: float, attributes: Attributes, *, failed: bool) -> None:
        self.parts.append((name, dict(attributes), failed))

    def name(self, name: str) -> None:
        self.called = name

    def end(self, attributes: Attributes, *, failed: bool) -> None:
        self.attributes, self.failed = dict(attributes), failed


class FakeTracer:
    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []
        self.closed = False

    def begin(self, name: str, traceparent: str | None) -> FakeSpan:
        self.spans.append(FakeSpan(name, traceparent))
        return self.spans[-1]

    def close(self) -> None:
        self.closed = True


class Settings(ProcessSettings):
    service = "test"


async def plant(scope: Scope, receive: Receive, send: Send) -> None:
    scope[ROUTE_KEY] = "/pumps/{pump}"
    record_span("sql", 0.001, {"db.operation.name": "select"})
    if scope["path"].endswith("broken"):
        raise RuntimeError("a bug")
    await PlainTextResponse("ok")(scope, receive, send)


async def ask(path: str, **headers: str) -> FakeTracer:
    tracer = FakeTracer()
    app = TracedRequests(RequestContext(plant, ServiceMetrics("test"), RequestLog("test")), tracer)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://plant") as client:
        await client.get(path, headers=headers)
    assert current_span() is None
    return tracer


async def test_a_request_is_a_span_of_its_callers_trace_named_by_its_route():
    tracer = await ask("/pumps/p-17?key=secret", traceparent=TRACEPARENT, **{"x-request-id": "r-1"})
    (span,) = tracer.spans
    assert (span.told, span.called, span.failed) == (TRACEPARENT, "GET /pumps/{pump}", False)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/pumps/{pump}",
        "futago.request_id": "r-1",
        "http.response.status_code": 200,
    }
    assert span.parts == [("sql", {"db.operation.name": "select"}, False)]


async def test_a_bug_is_a_failed_span_and_a_probe_is_none():
    assert (await ask("/pumps/broken")).spans[0].failed is True
    assert (await ask("/healthz")).spans == []


async def test_the_tracer_ends_with_the_process():
    tracer = FakeTracer()

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("it did not start")

    with pytest.raises(RuntimeError):
        await TracedRequests(lifespan, tracer)({"type": "lifespan"}, None, None)
    assert tracer.closed


def test_outside_of_a_trace_nothing_is_recorded_or_handed_on():
    record_span("sql", 0.001, {})
    assert current_traceparent() is None
    with working_on(FakeSpan("job")):
        assert current_traceparent() == TRACEPARENT


def test_without_an_endpoint_or_the_extra_nothing_is_traced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "shared.otlp_tracing", raising=False)
    assert open_tracer(None, "test") is None
    assert "shared.otlp_tracing" not in sys.modules
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert open_tracer(TraceSettings("http://127.0.0.1:1/v1/traces"), "test") is None
    assert "shared.otlp_tracing" not in sys.modules


def test_only_one_line_of_the_suite_imports_what_imports_opentelemetry():
    root = Path(__file__).parents[3]
    files = [file for folder in ("shared", "services", "futago") for file in (root / folder).rglob("*.py")]
    importing = {file.name for file in files if "shared.otlp_tracing" in file.read_text(encoding="utf-8")}
    direct = {file.name for file in files if "from opentelemetry" in file.read_text(encoding="utf-8")}
    assert importing == {"tracing.py"}
    assert direct == {"otlp_tracing.py"}


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, None),
        ({"FUTAGO_TRACES_ENDPOINT": "http://c/v1/traces"}, "http://c/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}, "http://c/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "TEST_TRACES_ENDPOINT": "http://own/t"}, "http://own/t"),
    ],
)
def test_the_endpoint_is_ours_or_the_standard_one(
    environment: dict[str, str], endpoint: str | None, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    traces = Settings.load(None, {"port": 0}).traces
    assert (None if traces is None else traces.endpoint) == endpoint
