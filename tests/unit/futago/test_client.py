"""The client against a gateway that says what a test wants to hear."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from futago import Client, ConnectionFailed, InvalidInput
from futago.bundle import BundleMissing
from tests.unit.futago.fake_gateway import POINT, PREDICT, FakeGateway, breaks, gives


def test_the_client_of_the_original_specification_works(client: Client, gateway: FakeGateway):
    assert client.predict(POINT)["prediction"] == 84.9
    assert json.loads(gateway.sent("POST", PREDICT)[0].content) == POINT


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
