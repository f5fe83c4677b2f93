"""A twin on its own, called without a socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.twin.settings import StandaloneSettings
from services.twin.standalone import create_app
from shared.startup import CannotStart
from tests.unit.twin.twin_service import GOOD, Bench

API = "/api/v1/twin"
KEY = "a key of sixteen characters"


@pytest.fixture
def bundle(bench: Bench) -> Path:
    return bench.bundle()


@asynccontextmanager
async def standalone(bench: Bench, bundle: Path, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = StandaloneSettings(bundle=bundle, trust_dir=bench.folder / "trust", **changes)
    app = create_app(settings, bench.clock)
    async with (
        app.api.router.lifespan_context(app.api),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client,
    ):
        yield client


@pytest.fixture
async def edge(bench: Bench, bundle: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with standalone(bench, bundle) as client:
        yield client


async def test_health_tells_the_version_the_real_uptime_and_how_many_requests_were_answered(bench: Bench, edge: Any):
    bench.clock.step(90.5)
    for _ in range(2):
        await edge.post("/predict", json=GOOD)
    assert (await edge.get("/health")).json() == {
        "status": "healthy",
        "service": "digital-twin",
        "model_version": "1",
        "uptime_seconds": 90.5,
        "total_requests": 2,
        "timestamp": "2027-01-15T08:01:30.500Z",
    }


async def test_a_prediction_is_the_one_of_the_suite_wrapped(edge: httpx.AsyncClient):
    response = await edge.post("/predict", params={"level": 0.8}, json=GOOD)
    body = response.json()
    own = (await edge.post(f"{API}/predict", params={"level": 0.8}, json=GOOD)).json()
    changing = {"request_id", "inference_time_ms"}
    assert {k: v for k, v in body["result"].items() if k not in changing} == {
        k: v for k, v in own.items() if k not in changing
    }
    assert (body["success"], body["result"]["user"]) == (True, "local")
    assert body["request_id"] == body["result"]["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
async def test_a_model_that_is_not_the_one_served_is_a_404(edge: httpx.AsyncClient, kind: str):
    for model, status in (("yield", 200), ("power", 404)):
        headers = {"content-type": kind}
        response = await edge.post(f"/predict?model={model}", content=json.dumps(GOOD), headers=headers)
        assert response.status_code == status


async def test_the_model_in_four_lines(bench: Bench, edge: httpx.AsyncClient):
    assert (await edge.get("/model/info")).json() == {
        "type": "RandomForestRegressor",
        "version": "1",
        "features": ["temp", "pressure"],
        "trained_date": "2027-01-15",
    }


async def test_metrics_are_prometheus_text(edge: httpx.AsyncClient):
    await edge.post("/predict", json=GOOD)
    text = (await edge.get("/metrics")).text
    assert 'futago_http_requests_total{method="POST",route="/predict",service="twin",status="200"} 1.0' in text


@pytest.mark.parametrize(
    ("inputs", "status", "code"),
    [
        ({"temp": 900}, 422, "twin.inputs_invalid"),
        ({**GOOD, "temp": {"value": 361.0, "quality": "bad"}}, 422, "twin.quality_bad"),
        ([], 422, "request.invalid"),
    ],
)
async def test_inputs_that_cannot_be_used_are_a_problem_document(
    edge: httpx.AsyncClient, inputs: Any, status: int, code: str
):
    response = await edge.post("/predict", json=inputs)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_suite_s_own_calls_and_open_inference_answer_for_the_one_model(edge: httpx.AsyncClient):
    batch = await edge.post(f"{API}/batch", json={"inputs": [GOOD, {}]})
    assert (batch.json()["total"], batch.json()["successful"]) == (2, 1)
    assert (await edge.get(f"{API}/status")).json()["models"] == [{"name": "yield", "version": "1"}]
    assert [item["name"] for item in (await edge.get(f"{API}/models")).json()["items"]] == ["yield"]
    assert (await edge.get(f"{API}/models", params={"cursor": "yield"})).json()["items"] == []
    assert (await edge.get(f"{API}/models/yield")).json()["state"] == "active"
    assert (await edge.get(f"{API}/models/yield/versions/2")).status_code == 404
    assert (await edge.post(f"{API}/predict", params={"model": "other"}, json=GOOD)).status_code == 404
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in GOOD.items()]
    for path, status in (("", 200), ("/versions/1", 200), ("/versions/2", 404)):
        answer = await edge.post(f"/v2/models/yield{path}/infer", json={"inputs": tensors})
        assert answer.status_code == status
    assert (await edge.get("/v2/health/ready")).status_code == 200
    assert (await edge.get("/readyz")).status_code == 200


async def test_nothing_can_be_published_switched_or_withdrawn(bench: Bench, edge: httpx.AsyncClient):
    files = {"bundle": ("bundle.zip", bench.archive(), "application/zip")}
    answers = [
        await edge.post(f"{API}/models", files=files),
        await edge.post(f"{API}/models/yield/activate", json={"version": "1"}),
        await edge.delete(f"{API}/models/yield/versions/1"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "twin.model_built_in")}


@pytest.mark.parametrize("offered", [{}, {"X-API-Key": "another"}, {"X-API-Key": ""}, {"X-API-Key": KEY + "é"}])
async def test_with_a_key_nobody_gets_in_without_it(bench: Bench, bundle: Path, offered: dict[str, str]):
    async with standalone(bench, bundle, host="0.0.0.0", api_key=KEY) as edge:
        raw = {name: value.encode("latin-1") for name, value in offered.items()}
        for method, path in (("POST", "/predict"), ("GET", "/model/info"), ("GET", "/v2"), ("GET", f"{API}/models")):
            response = await edge.request(method, path, json=GOOD, headers=raw)
            assert (response.status_code, response.json()["code"]) == (401, "auth.api_key_refused")
        assert (await edge.post("/predict", json=GOOD, headers={"X-API-Key": KEY})).status_code == 200
        for path in ("/health", "/healthz", "/readyz", "/metrics"):
            assert (await edge.get(path)).status_code == 200


async def test_the_key_may_lie_in_a_file(bench: Bench, bundle: Path, tmp_path: Path):
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    async with standalone(bench, bundle, api_key_file=file) as edge:
        assert (await edge.post("/predict", json=GOOD)).status_code == 401
        assert (await edge.post("/predict", json=GOOD, headers={"X-API-Key": KEY})).status_code == 200


def spoil_signature(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["signature"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def spoil_graph(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"other")


def spoil_nothing(bundle: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "changes", "words"),
    [
        (spoil_signature, {}, "not signed"),
        (spoil_graph, {}, "not the file that was signed"),
        (spoil_nothing, {"trust_dir": Path("/nowhere")}, "`futago trust add KEY.pem`"),
        (spoil_nothing, {"bundle": Path("/nowhere")}, "cannot be read"),
        (spoil_nothing, {"host": "0.0.0.0"}, "give an API key"),
        (spoil_nothing, {"host": "::"}, "give an API key"),
        (spoil_nothing, {"host": "edge.example"}, "give an API key"),
        (spoil_nothing, {"api_key_file": Path("/nowhere")}, "cannot be read"),
    ],
)
def test_it_does_not_start_where_it_would_be_wrong_or_open(
    bench: Bench, bundle: Path, spoil: Any, changes: dict[str, Any], words: str
):
    spoil(bundle)
    settings = StandaloneSettings(**{"bundle": bundle, "trust_dir": bench.folder / "trust", **changes})
    with pytest.raises(CannotStart, match=words):
        create_app(settings, bench.clock)


@pytest.mark.parametrize(("content", "mode", "words"), [(KEY, 0o644, "chmod 600"), ("short", 0o600, "less than 16")])
def test_a_key_file_that_others_read_or_that_is_short_is_refused(
    bench: Bench, bundle: Path, tmp_path: Path, content: str, mode: int, words: str
):
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(CannotStart, match=words):
        create_app(StandaloneSettings(bundle=bundle, trust_dir=bench.folder / "trust", api_key_file=file), bench.clock)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_alone_needs_no_key(bench: Bench, bundle: Path, host: str):
    create_app(StandaloneSettings(bundle=bundle, trust_dir=bench.folder / "trust", host=host), bench.clock)


def observation(minute: int, actual: float = 80.0) -> dict[str, Any]:
    return {"inputs": GOOD, "actual": actual, "timestamp": f"2027-01-15T07:{minute:02}:00Z"}


async def test_observations_are_learned_from_and_one_sent_twice_counts_once(edge: httpx.AsyncClient):
    many = {"observations": [observation(minute) for minute in (0, 1, 1)]}
    answer = await edge.post(f"{API}/observations", json=many)
    assert answer.status_code == 200
    assert [one["duplicate"] for one in answer.json()["results"]] == [False, False, True]
    assert (await edge.post(f"{API}/observations", json=observation(0))).json()["duplicate"] is True
    quality = (await edge.get(f"{API}/models/yield/quality")).json()
    assert quality["rows"] == 2
    assert 'outcome="new",version="1"} 2.0' in (await edge.get("/metrics")).text


async def test_what_was_learned_outlives_a_restart_in_a_file(bench: Bench, bundle: Path, tmp_path: Path):
    state = tmp_path / "state.json"
    for expected in (1, 2):
        async with standalone(bench, bundle, state_file=state) as edge:
            await edge.post(f"{API}/observations", json=observation(expected))
            assert (await edge.get(f"{API}/models/yield/quality")).json()["rows"] == expected


def test_a_state_file_where_nothing_can_be_written_is_found_at_the_start(bench: Bench, bundle: Path, tmp_path: Path):
    (tmp_path / "no-folder").write_text("")
    settings = StandaloneSettings(
        bundle=bundle, trust_dir=bench.folder / "trust", state_file=tmp_path / "no-folder" / "state.json"
    )
    with pytest.raises(CannotStart, match="the folder of the state file: cannot write"):
        create_app(settings, bench.clock)


def test_a_state_file_that_holds_something_else_is_left_alone(bench: Bench, bundle: Path, tmp_path: Path):
    state = tmp_path / "state.json"
    state.write_text("{}")
    with pytest.raises(CannotStart, match="it holds something else"):
        create_app(StandaloneSettings(bundle=bundle, trust_dir=bench.folder / "trust", state_file=state), bench.clock)
    assert state.read_text() == "{}"


async def test_an_alert_is_a_line_of_the_log(bench: Bench, bundle: Path, monkeypatch: pytest.MonkeyPatch):
    lines: list[Any] = []
    monkeypatch.setattr("services.twin.adapters.alert_log.log", AllLines(lines))
    rules = {"minimum": 99.0, "severity": "critical"}
    async with standalone(bench, bundle) as edge:
        assert (await edge.put(f"{API}/models/yield/alert-rules", json=rules)).status_code == 200
        assert (await edge.get(f"{API}/models/yield/alert-rules")).json()["minimum"] == 99.0
        await edge.post("/predict", json=GOOD)
    # The end waits for the alerts that are on their way.
    ((event, facts),) = lines
    assert (event, facts["severity"], facts["subject"]) == ("alert", "critical", "yield")


class AllLines:
    """A log that is a list."""

    def __init__(self, lines: list[Any]) -> None:
        self._lines = lines

    def warning(self, event: str, **facts: Any) -> None:
        self._lines.append((event, facts))
