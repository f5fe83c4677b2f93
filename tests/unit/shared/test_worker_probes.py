"""What a worker's port says: its metrics, and whether its loop still goes round."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry

from shared.jobs.metrics import WorkerMetrics
from shared.jobs.probe_server import STALLED_AFTER_S, ProbeServer, Pulse
from tests.conftest import SteppingClock


@pytest.fixture
def loop(clock: SteppingClock, socket_enabled: None) -> Iterator[tuple[WorkerMetrics, int]]:
    registry, pulse = CollectorRegistry(), Pulse(clock)
    server = ProbeServer("127.0.0.1", 0, service="planner-worker", registry=registry, pulse=pulse)
    server.start()
    yield WorkerMetrics(registry, pulse.beat), server.port
    server.stop()


def ask(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_a_loop_that_stands_is_told_and_one_that_goes_on_is_alive_again(
    loop: tuple[WorkerMetrics, int], clock: SteppingClock
):
    metrics, port = loop
    clock.step(STALLED_AFTER_S - 1)
    assert ask(port, "/healthz")[0] == 200
    clock.step(1)
    status, body = ask(port, "/healthz")
    assert status == 503
    assert json.loads(body) == {"status": "stalled", "service": "planner-worker", "silent_s": STALLED_AFTER_S}
    metrics.alive()
    assert json.loads(ask(port, "/healthz?x=1")[1])["status"] == "alive"


def test_metrics_are_served_and_nothing_else_is(loop: tuple[WorkerMetrics, int]):
    metrics, port = loop
    metrics.waiting("planner", {"planner": 3})
    assert 'futago_jobs_waiting{queue="planner"} 3.0' in ask(port, "/metrics")[1]
    assert ask(port, "/")[0] == 404
