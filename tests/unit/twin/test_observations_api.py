"""Observations and quality over HTTP, called as the gateway calls the twin."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.clock import rfc3339
from shared.http.app import ServiceApp
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
OBSERVATIONS = f"{API}/observations"


@pytest.fixture
async def app(bench: Bench) -> AsyncIterator[ServiceApp]:
    async with bench.twin(observation_limit_rows=60) as app:
        yield app


@pytest.fixture
async def client(bench: Bench, app: ServiceApp) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.client(app) as client:
        assert (await publish(client, bench.archive())).status_code == 201
        yield client


def observation(**changes: Any) -> dict[str, Any]:
    return {"inputs": GOOD, "actual": 84.0, "timestamp": "2027-01-15T07:00:00Z", **changes}


async def test_an_observation_is_answered_with_its_residual_and_whether_the_interval_held_it(client: httpx.AsyncClient):
    predicted = (await client.post(f"{API}/predict", json=GOOD)).json()
    response = await client.post(OBSERVATIONS, json=observation(asset="acme.r101", unit="%"))
    assert response.status_code == 200
    assert response.json() == {
        "model": "yield",
        "version": "1",
        "asset": "acme.r101",
        "timestamp": "2027-01-15T07:00:00Z",
        "actual": 84.0,
        "prediction": predicted["prediction"],
        "unit": "%",
        "prediction_interval": predicted["prediction_interval"],
        "residual": pytest.approx(84.0 - predicted["prediction"]),
        "covered": True,
        "learned": True,
        "duplicate": False,
        "user": "kato",
        "request_id": response.headers["x-request-id"],
    }


async def test_the_same_model_asset_and_time_again_changes_nothing_and_says_so(client: httpx.AsyncClient):
    first = (await client.post(OBSERVATIONS, json=observation())).json()
    again = (await client.post(OBSERVATIONS, json=observation(actual=10.0))).json()
    assert (again["duplicate"], again["actual"], again["residual"]) == (True, 84.0, first["residual"])
    other = (await client.post(OBSERVATIONS, json=observation(asset="acme.r101"))).json()
    assert other["duplicate"] is False
    quality = (await client.get(f"{API}/models/yield/quality")).json()
    assert quality["rows"] == 2


async def test_observations_without_a_time_are_all_new(client: httpx.AsyncClient, clock: Any):
    untimed = {"inputs": GOOD, "actual": 84.0}
    for body in (untimed, untimed, [untimed] * 3):
        assert (await client.post(OBSERVATIONS, json=body)).status_code == 200
    quality = (await client.get(f"{API}/models/yield/quality")).json()
    assert (quality["rows"], quality["since"], quality["last_observation"]) == (
        5,
        rfc3339(clock.now()),
        quality["since"],
    )


async def test_of_many_each_is_answered_by_itself_in_order(client: httpx.AsyncClient):
    documents = [
        observation(),
        observation(inputs={"temp": 999, "flow": 1}, actual=None),
        7,
        observation(model="unknown"),
        observation(timestamp="2027-01-15T06:59:00Z"),
        observation(),
    ]
    response = await client.post(OBSERVATIONS, json={"observations": documents})
    body = response.json()
    assert (response.status_code, body["total"], body["successful"]) == (200, 6, 3)
    results = body["results"]
    assert [result["index"] for result in results] == list(range(6))
    assert [result["status"] for result in results] == ["ok", "error", "error", "error", "ok", "ok"]
    assert [results[i]["duplicate"] for i in (0, 4, 5)] == [False, False, True]
    prefix = "/observations/1"
    pointers = {fault["pointer"] for fault in results[1]["errors"]}
    assert pointers == {f"{prefix}{end}" for end in ("/actual", "/inputs/temp", "/inputs/pressure", "/inputs/flow")}
    assert (results[1]["observation"], results[3]["code"]) == (documents[1], "twin.model_missing")
    again = (await client.post(OBSERVATIONS, json=documents)).json()
    assert again["results"][2]["errors"][0]["pointer"] == "/2"
    assert [again["results"][i]["duplicate"] for i in (0, 4, 5)] == [True, True, True]


FAULTY: list[tuple[dict[str, Any], set[str]]] = [
    ({"actual": "84"}, {"/actual"}),
    ({"actual": True}, {"/actual"}),
    ({"actual": 1e200}, {"/actual"}),
    ({"timestamp": "yesterday"}, {"/timestamp"}),
    ({"timestamp": "2027-01-15T07:00:00"}, {"/timestamp"}),
    ({"timestamp": "0001-01-01T00:00:00+14:00"}, {"/timestamp"}),
    ({"timestamp": "2027-01-15T08:05:01Z"}, {"/timestamp"}),
    ({"unit": "bar"}, {"/unit"}),
    ({"inputs": [1.0]}, {"/inputs"}),
    ({"flow": 1, "actual": None, "model": "a b", "version": 3}, {"/flow", "/actual", "/model", "/version"}),
    ({"inputs": {"temp": 999, "pressure": None}, "unit": "K"}, {"/inputs/temp", "/inputs/pressure", "/unit"}),
    (
        {"inputs": {"temp": {"value": 361.5, "quality": "bad"}, "pressure": 6.1}, "actual": None},
        {"/inputs/temp", "/actual"},
    ),
]


async def test_every_fault_of_an_observation_is_listed_and_nothing_is_learned(client: httpx.AsyncClient):
    for changes, pointers in FAULTY:
        response = await client.post(OBSERVATIONS, json=observation(**changes))
        assert (response.status_code, response.json()["code"]) == (422, "twin.observation_invalid"), changes
        assert {fault["pointer"] for fault in response.json()["errors"]} == pointers
    assert (await client.get(f"{API}/models/yield/quality")).json()["rows"] == 0


async def test_nothing_is_learned_from_an_input_of_bad_quality(client: httpx.AsyncClient):
    bad = {**GOOD, "temp": {"value": 361.5, "quality": "bad"}}
    response = await client.post(OBSERVATIONS, json=observation(inputs=bad))
    assert (response.status_code, response.json()["code"]) == (422, "twin.quality_bad")
    uncertain = {**GOOD, "temp": {"value": 361.5, "quality": "uncertain"}}
    assert (await client.post(OBSERVATIONS, json=observation(inputs=uncertain))).status_code == 200


async def test_no_observations_are_none_and_what_holds_none_is_422(client: httpx.AsyncClient):
    for empty in ([], {"observations": []}):
        response = await client.post(OBSERVATIONS, json=empty)
        assert (response.status_code, response.json()["total"]) == (200, 0)
    for body in ("text", 7, None, {}, {"observations": {}}):
        response = await client.post(OBSERVATIONS, json=body)
        assert response.status_code == 422
        assert response.json()["errors"]


async def test_more_observations_than_the_setting_are_413(client: httpx.AsyncClient):
    response = await client.post(OBSERVATIONS, json=[observation()] * 61)
    assert (response.status_code, response.json()["code"]) == (413, "twin.too_many_observations")


async def test_a_caller_limited_to_assets_observes_only_those(bench: Bench, app: ServiceApp, client: httpx.AsyncClient):
    async with bench.client(app, Role.OPERATOR, ("acme.osaka",)) as limited:
        for body, status in (
            (observation(asset="acme.osaka.r101"), 200),
            (observation(asset="acme.kobe"), 403),
            (observation(), 403),
            ([observation(asset="acme.osaka.r101"), observation()], 403),
        ):
            assert (await limited.post(OBSERVATIONS, json=body)).status_code == status
    async with bench.client(app, Role.VIEWER) as viewer:
        assert (await viewer.post(OBSERVATIONS, json=observation())).status_code == 403
        assert (await viewer.get(f"{API}/models/yield/quality")).status_code == 200
    assert (await client.get(f"{API}/models/yield/quality")).json()["rows"] == 1


async def test_a_version_is_observed_by_its_name_and_the_active_one_without(bench: Bench, client: httpx.AsyncClient):
    await publish(client, bench.archive(version="2", trees=5))
    for version in ("2", None, "1"):
        body = observation(timestamp=None, version=version)
        assert (await client.post(OBSERVATIONS, json=body)).json()["version"] == (version or "1")
    rows = [
        (await client.get(f"{API}/models/yield/quality", params=params)).json()["rows"]
        for params in ({}, {"version": "1"}, {"version": "2"})
    ]
    # The active version is compared with all of them.
    assert rows == [3, 3, 1]
    missing = await client.post(OBSERVATIONS, json=observation(version="3"))
    assert (missing.status_code, missing.json()["code"]) == (404, "twin.version_missing")
    assert (await client.get(f"{API}/models/yield/quality", params={"version": "3"})).status_code == 404
    assert (await client.get(f"{API}/models/unknown/quality")).status_code == 404


async def test_quality_stands_beside_what_the_card_promises(client: httpx.AsyncClient):
    card = (await client.get(f"{API}/models/yield")).json()
    empty = (await client.get(f"{API}/models/yield/quality")).json()
    assert (empty["rows"], empty["coverage"], empty["since"], empty["rmse"]) == (0, None, None, None)
    assert empty["expected"]["rmse"] == card["metrics"]["rmse"]
    times = [f"2027-01-15T07:{minute:02d}:00Z" for minute in range(50)]
    await client.post(OBSERVATIONS, json=[observation(timestamp=time, actual=60.0) for time in times])
    found = (await client.get(f"{API}/models/yield/quality")).json()
    assert (found["rows"], found["window_rows"], found["coverage"], found["level"]) == (50, 50, 0.0, 0.9)
    assert (found["since"], found["last_observation"]) == (times[0], times[-1])
    assert found["bias"] == pytest.approx(-found["mae"])
    assert found["rmse"] == pytest.approx(found["mae"])
    assert found["coverage_range"]["lower"] == pytest.approx(0.0)
    assert 0.0 < found["coverage_range"]["upper"] < 0.2
    assert (found["alarm"]["state"], found["correction"]["bias"]) == ("low", 0.0)


async def test_figures_are_metrics_of_their_model_and_version(client: httpx.AsyncClient):
    await client.post(OBSERVATIONS, json=[observation(), observation()])
    text = (await client.get("/metrics")).text
    labels = '{model="yield",version="1"}'
    for line in (f"futago_twin_coverage{labels} 1.0", f"futago_twin_coverage_out_of_band{labels} 0.0"):
        assert line in text
    for name in ("residual", "bias", "rmse"):
        assert f"futago_twin_{name}{labels}" in text
    counts = 'futago_twin_observations_total{model="yield",outcome='
    assert f'{counts}"new",version="1"}} 1.0' in text
    assert f'{counts}"duplicate",version="1"}} 1.0' in text
