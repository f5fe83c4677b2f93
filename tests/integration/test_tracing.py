"""One request through gateway, service, job and its child, as real processes: one trace and one id in every log."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from futago.launcher.home import Home
from futago.launcher.keys import make_keys
from futago.migrations import migrate_all
from shared.tracing import TraceSettings, open_tracer
from tests.integration.anomaly.site import COLUMNS, plant
from tests.integration.conftest import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"


class Collector:
    """Takes traces over OTLP/HTTP, as a real collector would."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            told = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    facts = {each.key: each.value for each in span.attributes}
                    self.spans.append(
                        {
                            "service": told["service.name"],
                            "site": told.get("site"),
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "request_id": facts["futago.request_id"].string_value
                            if "futago.request_id" in facts
                            else None,
                        }
                    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def wait(condition: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


class Suite:
    """Gateway, anomaly service and its worker."""

    def __init__(self, folder: Path, redis_url: str, settings: dict[str, str]) -> None:
        self.home = Home(folder / "home")
        self.home.make_folders()
        keys = make_keys(self.home)
        database_url = f"sqlite:///{self.home.database}"
        migrate_all(database_url)
        self.port, anomaly_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.logs = folder / "logs"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "FUTAGO_REDIS_URL": redis_url,
            "FUTAGO_DATABASE_URL": database_url,
            "FUTAGO_STORE_URL": self.home.store.as_uri(),
            "FUTAGO_CACHE_DIR": str(self.home.cache),
            "FUTAGO_TRUST_DIR": str(self.home.trust),
            "FUTAGO_IDENTITY_KEY_FILE": str(keys.identity_public),
            "FUTAGO_LOG_DIR": str(self.logs),
            "FUTAGO_DRAIN_S": "0",
            "FUTAGO_ENABLE_MONITORING": "false",
            "GATEWAY_PORT": str(self.port),
            "ANOMALY_PORT": str(anomaly_port),
            "GATEWAY_ANOMALY_URL": f"http://127.0.0.1:{anomaly_port}",
            "GATEWAY_ACCESS_KEY_FILE": str(keys.access),
            "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": str(keys.identity),
            "GATEWAY_SECOND_FACTOR_KEY_FILE": str(keys.second_factor),
            "ANOMALY_SIGNING_KEY_FILE": str(keys.signing),
            **settings,
        }
        self.ready = [f"{self.url}/healthz", f"http://127.0.0.1:{anomaly_port}/healthz"]
        self.output = folder / "output"

    @contextlib.contextmanager
    def running(self) -> Iterator[httpx.Client]:
        with contextlib.ExitStack() as stack:
            modules = ("services.anomaly.worker", "services.anomaly.app", "services.gateway.app")
            processes = [stack.enter_context(self.process(module)) for module in modules]
            credentials = self.home.credentials
            with self.process(
                "services.gateway.bootstrap", "--credentials", str(credentials), "--url", self.url
            ) as made:
                assert made.wait(PATIENCE_S) == 0, self.output.read_text()
            wait(lambda: all(map(answers, self.ready)), "the services")
            key = json.loads(credentials.read_text())["api_key"]
            with httpx.Client(base_url=self.url, headers={"X-API-Key": key}, timeout=30) as client:
                yield client
            # All at once: each takes a second or two to end.
            for process in processes:
                process.terminate()

    @contextlib.contextmanager
    def process(self, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", module, *arguments]
        with self.output.open("ab") as output:
            process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def train(client: httpx.Client, **headers: str) -> str:
    training = {"columns": COLUMNS, "rows": plant(200).tolist()}
    order = {"name": "pump", "kind": "mahalanobis", "training": training}
    answer = client.post("/api/v1/anomaly/detectors", json=order, headers=headers)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    ended = wait(
        lambda: (now := client.get(f"/api/v1/jobs/{job}").json())["state"] in {"succeeded", "failed"} and now, "the job"
    )
    assert ended["state"] == "succeeded", ended
    return job


def test_a_request_is_one_trace_and_one_id_through_gateway_service_and_job(
    tmp_path: Path, redis_url: str, collector: Collector
):
    suite = Suite(
        tmp_path,
        redis_url,
        {
            "FUTAGO_TRACES_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_RESOURCE_ATTRIBUTES": "site=osaka",
        },
    )
    with suite.running() as client:
        train(client, traceparent=f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01", **{"x-request-id": "ticket-4711"})
    spans = [span for span in collector.spans if span["trace"] == CALLERS_TRACE]
    by_id = {span["id"]: span for span in spans}
    (entrance,) = [span for span in spans if span["parent"] == CALLERS_SPAN]
    assert (entrance["service"], entrance["name"]) == ("gateway", "POST /api/v1/anomaly/detectors")
    (call,) = [span for span in spans if span["name"] == "call anomaly"]
    (served,) = [span for span in spans if span["name"].startswith("POST") and span["service"] == "anomaly"]
    (job,) = [span for span in spans if span["service"] == "anomaly-worker-job" and span["name"].startswith("job ")]
    assert by_id[call["parent"]] == entrance
    assert by_id[served["parent"]] == call
    assert by_id[job["parent"]] == served
    assert {span["request_id"] for span in (entrance, served, job)} == {"ticket-4711"}
    assert {span["site"] for span in spans} == {"osaka"}
    assert any(span["name"] == "sql" and by_id[span["parent"]] == served for span in spans)
    # Nothing but this request is in the caller's trace, and no probe is in any.
    assert not [span for span in collector.spans if "healthz" in span["name"]]
    sent = b"".join(collector.bodies)
    assert client.headers["x-api-key"].encode() not in sent
    assert b"secret" not in sent

    lines = [json.loads(line) for file in suite.logs.glob("*.log") for line in file.read_text().splitlines()]
    told = {line["service"] for line in lines if line.get("request_id") == "ticket-4711"}
    assert told >= {"gateway", "anomaly", "anomaly-worker"}
    assert {line["trace_id"] for line in lines if line.get("request_id") == "ticket-4711" and "trace_id" in line} == {
        CALLERS_TRACE
    }
    for line in lines:
        assert {"timestamp", "level", "service", "event"} <= line.keys(), line
        assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0
        assert re.fullmatch(r"[a-z-]+", line["service"])
    # What goes to a console that is no terminal has no colours, and is one object a line.
    for line in suite.output.read_text().splitlines():
        assert "\x1b" not in line
        json.loads(line)


def test_a_collector_that_hangs_holds_up_neither_the_work_nor_the_end():
    others = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer = open_tracer(TraceSettings(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"), "test")
        assert tracer is not None
        started_s = time.monotonic()
        for _ in range(5_000):
            tracer.begin("work", None).end({}, failed=False)
        worked_s = time.monotonic() - started_s
        tracer.close()
        closed_s = time.monotonic() - started_s - worked_s
    # Waiting for the collector would take its five seconds for each of ten batches.
    assert worked_s < 25.0
    assert closed_s < 4.5
    for left in set(threading.enumerate()) - others:
        left.join(10.0)
        assert not left.is_alive(), left.name
