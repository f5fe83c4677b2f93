"""How the client waits for a job."""

import httpx
import pytest

from futago import Client, ConnectionFailed, JobFailed, UnexpectedAnswer, WaitTimeout
from tests.unit.futago.fake_gateway import QUEUED, FakeGateway, breaks, gives


def test_waiting_reports_progress_and_returns_the_result(gateway: FakeGateway, client: Client, slept: list[float]):
    running = QUEUED | {"state": "running", "progress": {"fraction": 0.5, "message": "epoch 5"}, "attempt": 1}
    done = QUEUED | {"state": "succeeded", "result": {"detector": "plant"}, "attempt": 1}
    gateway.answer("GET", "/api/v1/jobs/j1", gives(QUEUED), gives(running), gives(running), gives(done))
    seen: list[tuple[str, float, str]] = []
    job = client.wait("j1", on_progress=lambda job: seen.append((job.state, job.fraction, job.message)))
    assert job.result == {"detector": "plant"}
    assert seen == [("running", 0.5, "epoch 5"), ("succeeded", 1.0, "")]
    assert slept == sorted(slept)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_a_result_is_an_error_with_its_reason(state: str, gateway: FakeGateway, client: Client):
    gateway.answer(
        "GET", "/api/v1/jobs/j1", gives(QUEUED | {"state": state, "error": {"code": "c", "detail": "too few rows"}})
    )
    with pytest.raises(JobFailed, match=f"{state}: too few rows") as caught:
        client.wait("j1")
    assert caught.value.job.error["code"] == "c"


def test_patience_with_a_job_ends_too(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/jobs/j1", gives(QUEUED))
    with pytest.raises(WaitTimeout, match="still queued"):
        client.wait("j1", timeout_s=0.0)


def test_waiting_outlives_a_restart_of_the_gateway(gateway: FakeGateway, client: Client):
    away = [breaks(httpx.ConnectError("refused"))] * 6
    done = gives(QUEUED | {"state": "succeeded", "result": {"detector": "plant"}})
    gateway.answer("GET", "/api/v1/jobs/j1", gives(QUEUED), *away, done)
    assert client.wait("j1").result == {"detector": "plant"}


def test_waiting_ends_when_the_suite_stays_away(gateway: FakeGateway, client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("futago.waiting.LONGEST_OUTAGE_S", 0.0)
    gateway.answer("GET", "/api/v1/jobs/j1", gives(QUEUED), breaks(httpx.ConnectError("refused")))
    with pytest.raises(ConnectionFailed):
        client.wait("j1")


def test_an_answer_that_is_no_job_is_unexpected(gateway: FakeGateway, client: Client):
    gateway.answer("POST", "/api/v1/planner/plans", gives({"detail": "?"}, 202))
    with pytest.raises(UnexpectedAnswer):
        client.plan({"name": "p"})
