"""What the client makes of an error, and what it sends again."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from futago import (
    Client,
    Conflict,
    ConnectionFailed,
    FutagoError,
    InvalidInput,
    NotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
)
from tests.unit.futago.fake_gateway import POINT, PREDICT, QUEUED, FakeGateway, breaks, gives, refuses


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidInput),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (415, InvalidInput),
        (422, InvalidInput),
        (429, RateLimited),
        (500, UnexpectedAnswer),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_every_status_has_its_error(status: int, expected: type[FutagoError], gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/auth/me", refuses(status, "some.code", "what happened"))
    with pytest.raises(expected) as caught:
        client.me()
    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "some.code", "r-1")
    assert str(caught.value) == "what happened (request r-1)"


def test_the_faults_of_an_input_are_listed(gateway: FakeGateway, client: Client):
    faults = [
        {"pointer": "/temp", "detail": "is over 380", "range": [340, 380]},
        {"pointer": "/flow", "detail": "missing"},
    ]
    gateway.answer("POST", PREDICT, refuses(422, "twin.inputs_refused", "2 faults", errors=faults))
    with pytest.raises(InvalidInput) as caught:
        client.predict(POINT)
    assert [fault.pointer for fault in caught.value.faults] == ["/temp", "/flow"]
    assert caught.value.faults[0].facts == {"range": [340, 380]}
    assert "/temp: is over 380" in str(caught.value)


def test_a_page_that_is_no_json_is_an_unexpected_answer(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/auth/me", lambda _request: httpx.Response(200, text="<html>"))
    with pytest.raises(UnexpectedAnswer, match="gateway"):
        client.me()


def test_an_error_without_a_problem_still_has_a_sentence(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/auth/me", lambda _request: httpx.Response(404, text="nginx"))
    with pytest.raises(NotFound, match="404"):
        client.me()


def test_a_busy_suite_is_asked_again_when_it_says(gateway: FakeGateway, client: Client, slept: list[float]):
    busy = refuses(503, "gateway.busy", "busy", retry_after="3")
    gateway.answer(
        "POST", PREDICT, busy, refuses(429, "gateway.rate", "slow", retry_after="7"), gives({"prediction": 1.0})
    )
    assert client.predict(POINT)["prediction"] == 1.0
    assert slept == [3.0, 7.0]


def test_patience_ends_after_the_last_attempt(gateway: FakeGateway, slept: list[float]):
    gateway.answer("POST", PREDICT, refuses(503, "gateway.busy", "busy", retry_after="1"))
    client = Client(
        "http://plant.example", "admin", "secret", attempts=3, transport=gateway.transport(), sleep=slept.append
    )
    with pytest.raises(Unavailable) as caught:
        client.predict(POINT)
    assert caught.value.retry_after_s == 1.0
    assert (len(gateway.sent("POST", PREDICT)), slept) == (3, [1.0, 1.0])


def test_without_retry_after_the_waits_double(gateway: FakeGateway, client: Client, slept: list[float]):
    gateway.answer("POST", PREDICT, refuses(503, "gateway.busy", "busy"))
    with pytest.raises(Unavailable):
        client.predict(POINT)
    assert slept == [0.25, 0.5, 1.0]


def test_a_wait_of_minutes_is_left_to_the_caller(gateway: FakeGateway, client: Client, slept: list[float]):
    gateway.answer("POST", PREDICT, refuses(429, "gateway.rate", "slow", retry_after="600"))
    with pytest.raises(RateLimited) as caught:
        client.predict(POINT)
    assert (caught.value.retry_after_s, slept) == (600.0, [])


def test_retry_after_may_be_a_date(gateway: FakeGateway, client: Client):
    gateway.answer("POST", PREDICT, refuses(429, "gateway.rate", "slow", retry_after="Fri, 31 Dec 2100 23:59:59 GMT"))
    with pytest.raises(RateLimited) as caught:
        client.predict(POINT)
    assert caught.value.retry_after_s == pytest.approx(
        (datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC) - datetime.now(UTC)).total_seconds(), abs=5.0
    )


def test_a_lost_connection_is_tried_again_for_a_question(gateway: FakeGateway, client: Client, slept: list[float]):
    gateway.answer("POST", PREDICT, breaks(httpx.ReadError("gone")), gives({"prediction": 2.0}))
    assert client.predict(POINT)["prediction"] == 2.0
    assert slept == [0.25]


@pytest.mark.parametrize(
    ("error", "times"),
    [(httpx.ReadError("gone"), 1), (httpx.ConnectError("refused"), 4)],
    ids=["arrived", "never arrived"],
)
def test_a_command_is_repeated_only_if_it_cannot_have_arrived(
    error: httpx.HTTPError, times: int, gateway: FakeGateway, client: Client
):
    path = "/api/v1/twin/models/yield/activate"
    gateway.answer("POST", path, breaks(error))
    with pytest.raises(ConnectionFailed, match=r"plant\.example did not answer"):
        client.activate("yield", "1.0.1")
    assert len(gateway.sent("POST", path)) == times


def test_a_command_refused_by_unavailability_is_not_repeated(gateway: FakeGateway, client: Client):
    path = "/api/v1/alerts/a1/acknowledge"
    gateway.answer("POST", path, refuses(503, "redis.away", "later", retry_after="1"))
    with pytest.raises(Unavailable):
        client.acknowledge("a1")
    assert len(gateway.sent("POST", path)) == 1


def test_a_job_post_that_is_repeated_carries_the_same_key(gateway: FakeGateway, client: Client):
    path = "/api/v1/anomaly/detectors"
    gateway.answer("POST", path, breaks(httpx.ReadTimeout("slow")), gives(QUEUED, 202))
    job = client.train_detector("plant", "mahalanobis", ["a"], [[1.0]], threshold={"method": "sigma", "k": 3})
    first, second = gateway.sent("POST", path)
    assert job.id == "j1"
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert json.loads(second.content) == {
        "name": "plant",
        "kind": "mahalanobis",
        "training": {"columns": ["a"], "rows": [[1.0]]},
        "threshold": {"method": "sigma", "k": 3},
    }


def test_two_job_posts_have_different_keys(gateway: FakeGateway, client: Client):
    gateway.answer("POST", "/api/v1/planner/plans", gives(QUEUED, 202))
    client.plan({"name": "p"})
    client.plan({"name": "p"})
    keys = {request.headers["Idempotency-Key"] for request in gateway.sent("POST", "/api/v1/planner/plans")}
    assert len(keys) == 2
