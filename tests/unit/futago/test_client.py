"""The client against a gateway that says what a test wants to hear."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from futago import (
    AuthenticationError,
    Client,
    Conflict,
    ConnectionFailed,
    FutagoError,
    InvalidInput,
    JobFailed,
    NotAllowed,
    NotFound,
    RateLimited,
    SecondFactorRequired,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    WaitTimeout,
)
from futago.bundle import BundleMissing
from futago.credentials import Credentials, CredentialsMissing
from tests.unit.futago.fake_gateway import FakeGateway, breaks, gives, refuses

PREDICT = "/api/v1/twin/predict"
POINT = {"temp": 360, "pressure": 6.0, "flow": 100}
QUEUED = {"id": "j1", "kind": "anomaly.train", "state": "queued", "progress": None, "attempt": 0}


@pytest.fixture
def gateway() -> FakeGateway:
    fake = FakeGateway()
    fake.answer("POST", PREDICT, gives({"prediction": 84.9}))
    fake.answer("GET", "/api/v1/auth/me", gives({"user": "admin"}))
    return fake


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(gateway: FakeGateway, slept: list[float]):
    with Client(
        "http://plant.example/", "admin", "secret", transport=gateway.transport(), sleep=slept.append
    ) as client:
        yield client


def test_the_client_of_the_original_specification_works(client: Client, gateway: FakeGateway):
    assert client.predict(POINT)["prediction"] == 84.9
    assert json.loads(gateway.sent("POST", PREDICT)[0].content) == POINT


def test_one_login_serves_many_calls(client: Client, gateway: FakeGateway):
    client.predict(POINT)
    client.predict(POINT)
    assert gateway.logins == 1


def test_a_token_about_to_expire_is_refreshed_without_another_login(gateway: FakeGateway, client: Client):
    gateway.token_life_s = 0.0
    client.predict(POINT)
    client.predict(POINT)
    assert (gateway.logins, gateway.refreshes) == (1, 1)


def test_a_revoked_token_is_replaced_once_and_the_call_sent_again(gateway: FakeGateway, client: Client):
    client.predict(POINT)
    gateway.valid_tokens.clear()
    assert client.predict(POINT)["prediction"] == 84.9
    assert (gateway.logins, gateway.refreshes) == (1, 1)


def test_a_spent_refresh_token_leads_to_a_new_login(gateway: FakeGateway, client: Client):
    client.predict(POINT)
    gateway.valid_tokens.clear()
    gateway.valid_refresh_tokens.clear()
    assert client.predict(POINT)["prediction"] == 84.9
    assert gateway.logins == 2


def test_a_refresh_whose_answer_is_lost_is_not_sent_again(gateway: FakeGateway, client: Client):
    gateway.token_life_s = 0.0
    client.predict(POINT)
    gateway.lose_refreshes = True
    assert client.predict(POINT)["prediction"] == 84.9
    assert (gateway.logins, gateway.refreshes) == (2, 1)


def test_a_call_refused_with_a_fresh_token_too_is_an_authentication_error(gateway: FakeGateway, client: Client):
    gateway.answer("POST", PREDICT, refuses(401, "auth.invalid_token", "not valid here"))
    with pytest.raises(AuthenticationError, match="not valid here"):
        client.predict(POINT)
    assert len(gateway.sent("POST", PREDICT)) == 2


def test_wrong_credentials_are_named_and_not_tried_again(gateway: FakeGateway):
    client = Client("http://plant.example", "admin", "wrong", transport=gateway.transport())
    with pytest.raises(AuthenticationError, match="user name or the password") as caught:
        client.me()
    assert caught.value.code == "auth.wrong_credentials"
    assert gateway.logins == 1


def test_a_login_takes_the_code_of_a_second_factor(gateway: FakeGateway, client: Client):
    gateway.code = "123456"
    with pytest.raises(SecondFactorRequired) as refused:
        client.login()
    assert isinstance(refused.value, AuthenticationError)
    with pytest.raises(AuthenticationError):
        client.login(code="654321")
    client.login(code="123456")
    assert client.me() == {"user": "admin"}


def test_where_a_code_is_needed_somebody_is_asked_for_it_once(gateway: FakeGateway):
    gateway.code = "123456"
    asked = []

    def ask_code() -> str:
        asked.append("code")
        return "123456"

    with Client("http://plant.example", "admin", "secret", transport=gateway.transport(), ask_code=ask_code) as client:
        assert client.me() == {"user": "admin"}
        client.predict(POINT)
    assert asked == ["code"]
    gateway.code = None
    with Client("http://plant.example", "admin", "secret", transport=gateway.transport(), ask_code=ask_code) as client:
        client.login()
    assert asked == ["code"]


def test_a_code_is_not_sent_again_after_a_lost_answer(gateway: FakeGateway, slept: list[float]):
    codes = []

    def lose(request: httpx.Request) -> httpx.Response:
        codes.append(json.loads(request.content).get("code"))
        raise httpx.ReadError("the answer is lost")

    transport = httpx.MockTransport(lose)
    with Client("http://plant.example", "admin", "secret", transport=transport, sleep=slept.append) as client:
        with pytest.raises(ConnectionFailed):
            client.login(code="123456")
        assert codes == ["123456"]


def test_an_api_key_needs_no_login(gateway: FakeGateway):
    client = Client("http://plant.example", api_key="fk_good", transport=gateway.transport())
    client.predict(POINT)
    assert gateway.logins == 0
    assert gateway.requests[0].headers["X-API-Key"] == "fk_good"


def test_a_refused_api_key_is_not_tried_again(gateway: FakeGateway):
    client = Client("http://plant.example", api_key="fk_bad", transport=gateway.transport())
    with pytest.raises(AuthenticationError):
        client.predict(POINT)
    assert len(gateway.requests) == 1


def test_the_credentials_file_says_where_and_who(gateway: FakeGateway, tmp_path: Path):
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"url": "http://here.example:81", "username": "admin", "password": "secret"}))
    client = Client(credentials=file, transport=gateway.transport())
    client.me()
    assert client.url == "http://here.example:81"
    assert gateway.requests[-1].url.host == "here.example"


def test_a_missing_credentials_file_is_a_sentence(tmp_path: Path):
    with pytest.raises(CredentialsMissing, match="has `futago up` run here"):
        Client(credentials=tmp_path / "none.json")


@pytest.mark.parametrize("content", ["[]", "{", '{"url": "http://x"}', '{"api_key": "k"}'])
def test_a_credentials_file_that_cannot_be_used_is_refused(content: str, tmp_path: Path):
    file = tmp_path / "credentials.json"
    file.write_text(content)
    with pytest.raises(CredentialsMissing):
        Client(credentials=file)


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(InvalidInput, match="http://"):
        Client("plant.example", "admin", "secret")


def test_a_caller_with_nothing_to_show_is_told_what_to_give(gateway: FakeGateway):
    with pytest.raises(AuthenticationError, match="API key"):
        Client("http://plant.example", transport=gateway.transport()).me()


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


def test_arrays_are_sent_as_lists_and_times_as_rfc3339(gateway: FakeGateway, client: Client):
    path = "/api/v1/anomaly/detectors/plant/score"
    gateway.answer("POST", path, gives({"scores": [0.1]}))
    client.score("plant", ("a", "b"), np.array([[1.0, 2.5]]), [datetime(2026, 4, 1, tzinfo=UTC)], asset="acme.r101")
    request = gateway.sent("POST", path)[0]
    assert json.loads(request.content) == {
        "columns": ["a", "b"],
        "rows": [[1.0, 2.5]],
        "timestamps": ["2026-04-01T00:00:00Z"],
    }
    assert request.url.params["asset"] == "acme.r101"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), datetime(2026, 4, 1), object()])  # noqa: DTZ001
def test_what_json_cannot_hold_is_refused_before_it_is_sent(value: object, gateway: FakeGateway, client: Client):
    with pytest.raises(InvalidInput):
        client.predict({"temp": value})
    assert gateway.sent("POST", PREDICT) == []


def test_parameters_left_out_are_not_sent(gateway: FakeGateway, client: Client):
    client.predict(POINT, model="yield", level=0.9)
    assert dict(gateway.sent("POST", PREDICT)[0].url.params) == {"model": "yield", "level": "0.9"}


def test_names_are_quoted_in_paths(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/twin/models/a/b?c", gives({"name": "a/b?c"}))
    client.model("a/b?c")
    assert gateway.requests[-1].url.raw_path == b"/api/v1/twin/models/a%2Fb%3Fc"


def test_a_list_is_read_page_by_page(gateway: FakeGateway, client: Client):
    pages = [{"items": [{"name": "a"}], "next_cursor": "n1"}, {"items": [{"name": "b"}], "next_cursor": None}]
    gateway.answer("GET", "/api/v1/twin/models", *(gives(page) for page in pages))
    assert [model["name"] for model in client.models()] == ["a", "b"]
    assert gateway.requests[-1].url.params["cursor"] == "n1"


def test_a_limited_list_asks_for_no_more_than_it_needs(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/alerts", gives({"items": [{"id": "1"}, {"id": "2"}], "next_cursor": "more"}))
    assert len(client.alerts(limit=2)) == 2
    assert gateway.requests[-1].url.params["limit"] == "2"
    assert len(gateway.sent("GET", "/api/v1/alerts")) == 1


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


def test_logging_out_without_a_login_sends_nothing(gateway: FakeGateway, client: Client):
    client.logout()
    assert gateway.requests == []


def test_after_logging_out_the_next_call_logs_in_again(gateway: FakeGateway, client: Client):
    gateway.answer("POST", "/api/v1/auth/logout", lambda _request: httpx.Response(204))
    client.me()
    client.logout()
    client.me()
    assert gateway.logins == 2


def test_a_bundle_folder_is_sent_as_a_zip_with_the_same_bytes_each_time(
    gateway: FakeGateway, client: Client, tmp_path: Path
):
    gateway.answer("POST", "/api/v1/twin/models", gives({"name": "yield"}, 201))
    folder = tmp_path / "yield"
    (folder / "arrays").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "arrays" / "calibration.npz").write_bytes(b"x" * 100)
    client.publish(folder)
    client.publish(str(folder))
    first, second = (request.content.partition(b"PK")[2] for request in gateway.sent("POST", "/api/v1/twin/models"))
    assert b"arrays/calibration.npz" in first
    assert first.rpartition(b"\r\n--")[0] == second.rpartition(b"\r\n--")[0]


def test_a_folder_without_a_manifest_is_no_bundle(client: Client, tmp_path: Path):
    with pytest.raises(BundleMissing, match="manifest"):
        client.publish(tmp_path)


def test_an_experiment_is_started_read_promoted_and_ended(gateway: FakeGateway, client: Client):
    path = "/api/v1/twin/models/my%20model/experiment"
    raw = "/api/v1/twin/models/my model/experiment"
    variants = [{"name": "A", "version": "1", "weight": 3}, {"name": "B", "version": "2", "weight": 1}]
    gateway.answer("PUT", raw, gives({"model": "my model"}))
    gateway.answer("GET", raw, gives({"variants": []}))
    gateway.answer("POST", f"{raw}/promote", gives({"version": "2"}))
    gateway.answer("DELETE", raw, lambda _request: httpx.Response(204))
    client.start_experiment("my model", variants, sticky="request", shadow=[{"name": "S", "version": "3"}])
    assert client.experiment("my model") == {"variants": []}
    assert client.promote("my model", "B")["version"] == "2"
    client.end_experiment("my model")
    (started,) = gateway.sent("PUT", raw)
    assert started.url.raw_path.decode() == path
    assert json.loads(started.content) == {
        "variants": variants,
        "sticky": "request",
        "shadow": [{"name": "S", "version": "3"}],
    }
    assert json.loads(gateway.sent("POST", f"{raw}/promote")[0].content) == {"variant": "B"}
    assert len(gateway.sent("DELETE", raw)) == 1


def test_alert_rules_are_replaced_and_read(gateway: FakeGateway, client: Client):
    path = "/api/v1/twin/models/yield/alert-rules"
    gateway.answer("PUT", path, gives({"maximum": 95.0}))
    gateway.answer("GET", path, gives({"maximum": 95.0}))
    assert client.set_alert_rules("yield", {"maximum": 95.0}) == client.alert_rules("yield")
    assert json.loads(gateway.sent("PUT", path)[0].content) == {"maximum": 95.0}


def test_an_observation_with_its_time_is_repeated_until_it_arrives_and_one_without_is_not(
    gateway: FakeGateway, client: Client
):
    path = "/api/v1/twin/observations"
    gateway.answer("POST", path, breaks(httpx.ReadError("lost")), gives({"residual": 1.0}))
    at = datetime(2026, 4, 1, tzinfo=UTC)
    assert client.observe(POINT, 84.0, at, model="yield", asset="acme.r101")["residual"] == 1.0
    sent = json.loads(gateway.sent("POST", path)[-1].content)
    timed = {"timestamp": "2026-04-01T00:00:00Z", "model": "yield", "asset": "acme.r101"}
    assert sent == {"inputs": POINT, "actual": 84.0, **timed}
    gateway.answer("POST", path, breaks(httpx.ReadError("lost")), gives({"residual": 1.0}))
    with pytest.raises(ConnectionFailed):
        client.observe(POINT, 84.0)
    gateway.answer("POST", path, gives({"total": 1}))
    assert client.observe_many([{"inputs": POINT, "actual": 84.0, "timestamp": at}])["total"] == 1
    (many,) = json.loads(gateway.sent("POST", path)[-1].content)["observations"]
    assert many["timestamp"] == "2026-04-01T00:00:00Z"


def test_the_quality_of_a_version_is_asked_by_name(gateway: FakeGateway, client: Client):
    gateway.answer("GET", "/api/v1/twin/models/yield/quality", gives({"coverage": 0.9}))
    assert client.quality("yield", version="2")["coverage"] == 0.9
    (request,) = gateway.sent("GET", "/api/v1/twin/models/yield/quality")
    assert request.url.params["version"] == "2"


def test_the_authority_of_a_certificate_stands_in_the_credentials(tmp_path: Path):
    path = tmp_path / "credentials.json"
    path.write_text(
        json.dumps({"url": "https://localhost:1", "api_key": "k", "ca_file": str(tmp_path / "nowhere.pem")})
    )
    assert Credentials.read(path).ca_file == tmp_path / "nowhere.pem"
    with pytest.raises(InvalidInput, match=r"nowhere\.pem holds no certificate of an authority"):
        Client(credentials=path)


def test_an_authority_is_not_asked_for_where_there_is_no_tls(tmp_path: Path):
    with Client("http://127.0.0.1:1", api_key="k", ca_file=tmp_path / "nowhere.pem") as client:
        assert client.url == "http://127.0.0.1:1"
