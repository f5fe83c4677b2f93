"""The twin's HTTP contract, called as the gateway calls it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.http.app import ServiceApp
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"


@pytest.fixture
async def app(bench: Bench) -> AsyncIterator[ServiceApp]:
    async with bench.twin() as app:
        yield app


@pytest.fixture
async def client(bench: Bench, app: ServiceApp) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.client(app) as client:
        yield client


@pytest.fixture
async def published(bench: Bench, client: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await publish(client, bench.archive())).status_code == 201
    return client


async def test_a_prediction_has_every_field_of_the_contract(published: httpx.AsyncClient):
    response = await published.post(f"{API}/predict", params={"model": "yield", "level": 0.8}, json=GOOD)
    assert response.status_code == 200
    body = response.json()
    interval = body.pop("prediction_interval")
    assert interval["lower"] < body["prediction"] < interval["upper"]
    assert interval["level"] == 0.8
    assert body.pop("prediction") == pytest.approx(84.9, abs=3)
    assert body.pop("inference_time_ms") >= 0
    assert body.pop("request_id") == response.headers["x-request-id"]
    assert body == {
        "model": "yield",
        "version": "1",
        "unit": "%",
        "applicability": {"state": "in", "features": []},
        "status": "ok",
        "age_s": 0.0,
        "from_cache": False,
        "variant": None,
        "warnings": [],
        "timestamp": "2027-01-15T08:00:00Z",
        "user": "kato",
    }


async def test_the_only_model_answers_where_none_is_named_and_two_have_to_be_told_apart(
    bench: Bench, published: httpx.AsyncClient
):
    assert (await published.post(f"{API}/predict", json=GOOD)).json()["model"] == "yield"
    await publish(published, bench.archive("power"))
    response = await published.post(f"{API}/predict", json=GOOD)
    assert (response.status_code, response.json()["code"]) == (422, "twin.model_unnamed")
    assert response.json()["models"] == ["power", "yield"]


async def test_a_default_model_can_be_set(bench: Bench, published: httpx.AsyncClient):
    await publish(published, bench.archive("power"))
    async with bench.twin(default_model="power") as app, bench.client(app) as client:
        assert (await client.post(f"{API}/predict", json=GOOD)).json()["model"] == "power"


async def test_every_fault_of_the_inputs_is_in_the_answer(published: httpx.AsyncClient):
    response = await published.post(f"{API}/predict", json={"temp": 900, "presure": 6})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "twin.inputs_invalid"
    faults = {fault["pointer"]: fault for fault in response.json()["errors"]}
    assert set(faults) == {"/temp", "/pressure", "/presure"}
    assert faults["/temp"]["valid_range"] == [340, 380]


async def test_a_bad_reading_is_refused_and_an_uncertain_one_used(published: httpx.AsyncClient):
    for quality, status in (("bad", 422), ("uncertain", 200)):
        reading = {"value": 361.5, "quality": quality}
        assert (await published.post(f"{API}/predict", json={**GOOD, "temp": reading})).status_code == status


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b"{", b'{"temp": NaN}', b'{"temp": 1e999, "pressure": 6}', b""])
async def test_a_body_that_is_no_object_of_values_is_a_422(published: httpx.AsyncClient, body: bytes):
    response = await published.post(f"{API}/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422


@pytest.mark.parametrize(
    "query", ["level=0", "level=1", "level=nan", "level=x", "level=0.9999", "asset=a..b", "asset=/"]
)
async def test_a_query_that_makes_no_sense_is_a_422(published: httpx.AsyncClient, query: str):
    assert (await published.post(f"{API}/predict?{query}", json=GOOD)).status_code == 422


async def test_an_unknown_model_is_a_404(client: httpx.AsyncClient):
    response = await client.post(f"{API}/predict", params={"model": "nobody"}, json=GOOD)
    assert (response.status_code, response.json()["code"]) == (404, "twin.model_missing")


@pytest.mark.parametrize(
    "path", ["/models/a%00b", "/models/yield/versions/%2e%2e%2fx", f"/models/{'a' * 65}", "/models?cursor=%00"]
)
async def test_a_name_that_no_model_can_have_is_refused_before_the_database_sees_it(
    client: httpx.AsyncClient, path: str
):
    assert (await client.get(f"{API}{path}")).status_code in {404, 422}
    assert (await client.post(f"{API}/models/yield/activate", json={"version": "\x00"})).status_code == 422


async def test_a_version_whose_key_was_withdrawn_is_served_no_longer_by_a_process_that_starts(
    bench: Bench, published: httpx.AsyncClient
):
    (bench.folder / "trust" / f"{bench.key().key_id}.pem").unlink()
    async with bench.twin() as app, bench.client(app) as client:
        response = await client.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)
    assert (response.status_code, response.json()["code"]) == (503, "twin.version_unusable")
    assert response.json()["reason"] == "bundle.untrusted_key"


async def test_a_version_that_can_no_longer_be_served_is_not_activated_and_the_former_one_goes_on(
    bench: Bench, published: httpx.AsyncClient
):
    other = bench.key("other")
    bench.trust.enrol(other.public_pem())
    await publish(published, bench.archive(version="2", trees=5, key=other))
    (bench.folder / "trust" / f"{other.key_id}.pem").unlink()
    async with bench.twin() as app, bench.client(app) as client:
        refused = await client.post(f"{API}/models/yield/activate", json={"version": "2"})
        assert (refused.status_code, refused.json()["code"]) == (503, "twin.version_unusable")
        assert (await client.post(f"{API}/predict", json=GOOD)).json()["version"] == "1"
        assert (await client.get(f"{API}/models/yield")).json()["version"] == "1"


async def test_a_batch_answers_in_order_and_one_fault_does_not_hold_up_the_others(published: httpx.AsyncClient):
    inputs = [GOOD, {"temp": 900, "pressure": 6}, {"temp": {"value": 360, "quality": "bad"}, "pressure": 6}, GOOD]
    body = (await published.post(f"{API}/batch", json={"inputs": inputs})).json()
    assert (body["total"], body["successful"], body["user"]) == (4, 2, "kato")
    assert [(result["index"], result["status"], result["input"]) for result in body["results"]] == [
        (0, "ok", inputs[0]),
        (1, "error", inputs[1]),
        (2, "error", inputs[2]),
        (3, "ok", inputs[3]),
    ]
    single = (await published.post(f"{API}/predict", json=GOOD)).json()
    assert body["results"][3]["prediction"] == single["prediction"]
    assert body["results"][3]["prediction_interval"] == single["prediction_interval"]
    assert "valid range 340 to 380" in body["results"][1]["error"]
    assert body["results"][1]["errors"][0]["pointer"] == "/inputs/1/temp"
    assert [result.get("code") for result in body["results"]] == [None, "twin.inputs_invalid", "twin.quality_bad", None]


async def test_a_batch_may_be_empty_or_full_but_no_larger(published: httpx.AsyncClient):
    for count, status in ((0, 200), (100, 200), (101, 413)):
        response = await published.post(f"{API}/batch", json={"inputs": [GOOD] * count})
        assert response.status_code == status
    assert response.json()["limit_rows"] == 100


async def test_a_value_nested_by_the_hundred_is_a_422_and_no_bug(published: httpx.AsyncClient):
    body = '{"inputs": [{"temp": ' + "[" * 300 + "]" * 300 + "}]}"
    response = await published.post(f"{API}/batch", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422


async def test_of_many_inputs_that_are_no_objects_the_first_is_named(published: httpx.AsyncClient):
    response = await published.post(f"{API}/batch", json={"inputs": [GOOD, *range(5_000)]})
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/inputs/1"]


@pytest.mark.parametrize("body", [{}, {"inputs": {}}, {"inputs": [5]}, {"inputs": [], "model": "yield"}])
async def test_a_malformed_batch_is_a_422(published: httpx.AsyncClient, body: dict):
    assert (await published.post(f"{API}/batch", json=body)).status_code == 422


async def test_the_card_tells_what_the_model_takes_and_how_good_it_is(published: httpx.AsyncClient):
    card = (await published.get(f"{API}/models/yield")).json()
    assert [feature["name"] for feature in card["features"]] == ["temp", "pressure"]
    assert card["features"][0]["valid_range"] == [340, 380]
    assert card["target"] == {"name": "yield", "unit": "%"}
    assert card["model"]["type"] == "RandomForestRegressor"
    assert card["training"]["rows"] == card["interval"]["calibration"]["rows"] == 300
    assert card["training_date"] == card["published_at"] == "2027-01-15T08:00:00Z"
    assert (card["state"], card["published_by"], len(card["digest"])) == ("active", "kato", 64)
    assert card["size_bytes"] > 0
    assert card["measured"]["row_us"] > 0
    assert [version["version"] for version in card["versions"]] == ["1"]
    assert (await published.get(f"{API}/models/yield/versions/1")).json()["digest"] == card["digest"]
    assert (await published.get(f"{API}/models/yield/versions/2")).json()["code"] == "twin.version_missing"
    assert (await published.get(f"{API}/models/nobody")).status_code == 404


async def test_models_are_listed_a_page_at_a_time(bench: Bench, client: httpx.AsyncClient):
    for name in ("c", "a", "b"):
        await publish(client, bench.archive(name))
    seen, cursor = [], None
    while True:
        page = (await client.get(f"{API}/models", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["a", "b", "c"]
    status = (await client.get(f"{API}/status")).json()
    assert (status["status"], status["user"]) == ("ok", "kato")
    assert status["models"] == [{"name": name, "version": "1"} for name in "abc"]


async def test_a_new_version_waits_until_it_is_activated_and_the_former_one_can_come_back(
    bench: Bench, published: httpx.AsyncClient
):
    async def answer() -> tuple[str, float]:
        body = (await published.post(f"{API}/predict", json=GOOD)).json()
        return body["version"], body["prediction"]

    first = await answer()
    assert (await publish(published, bench.archive(version="2", trees=5))).json()["state"] == "published"
    assert await answer() == first
    assert (await published.post(f"{API}/models/yield/activate", json={"version": "2"})).json()["state"] == "active"
    second = await answer()
    assert (second[0], second[1] != first[1]) == ("2", True)
    states = {v["version"]: v["state"] for v in (await published.get(f"{API}/models/yield")).json()["versions"]}
    assert states == {"1": "previous", "2": "active"}
    await published.post(f"{API}/models/yield/activate", json={"version": "1"})
    assert await answer() == first
    missing = await published.post(f"{API}/models/yield/activate", json={"version": "3"})
    assert (missing.status_code, missing.json()["code"]) == (404, "twin.version_missing")


async def test_the_active_version_is_withdrawn_last_and_the_model_goes_with_it(
    bench: Bench, published: httpx.AsyncClient
):
    await publish(published, bench.archive(version="2", trees=5))
    path = f"{API}/models/yield/versions"
    assert (await published.delete(f"{path}/1")).json()["code"] == "twin.version_active"
    assert (await published.delete(f"{path}/2")).status_code == 204
    assert (await published.delete(f"{path}/2")).status_code == 404
    assert (await published.delete(f"{path}/1")).status_code == 204
    assert (await published.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)).status_code == 404
    assert (await published.get(f"{API}/models")).json() == {"items": [], "next_cursor": None}


async def test_the_same_version_again_is_accepted_with_the_same_content_only(
    bench: Bench, published: httpx.AsyncClient
):
    assert (await publish(published, bench.archive())).status_code == 201
    conflict = await publish(published, bench.archive(trees=5))
    assert (conflict.status_code, conflict.json()["code"]) == (409, "twin.version_exists")
    await published.delete(f"{API}/models/yield/versions/1")
    assert (await publish(published, bench.archive(trees=5))).status_code == 409
    assert (await publish(published, bench.archive())).json()["state"] == "active"
    assert (await published.post(f"{API}/predict", json=GOOD)).status_code == 200


async def test_what_no_trusted_key_signed_is_refused_and_leaves_nothing_behind(bench: Bench, client: httpx.AsyncClient):
    foreign = bench.archive("foreign", key=bench.key("foreign"))
    good = bench.archive()
    altered = good.replace(b"manifest.json", b"manifest.jsom")
    for archive, code in (
        (foreign, "untrusted_key"),
        (altered, "malformed"),
        (b"no zip", "malformed"),
        (b"", "malformed"),
    ):
        response = await publish(client, archive)
        assert (response.status_code, response.json()["code"]) == (422, f"bundle.{code}")
    assert (await client.post(f"{API}/models", files={"file": ("a.zip", good)})).status_code == 422
    assert (await client.post(f"{API}/models", json={})).status_code == 422
    assert (await client.get(f"{API}/models")).json()["items"] == []
    assert not any(path.is_file() for path in (bench.folder / "store").rglob("*"))
    assert [path for path in (bench.folder / "cache" / "twin").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("role", "method", "path", "body", "status"),
    [
        (Role.VIEWER, "GET", "/models", None, 200),
        (Role.VIEWER, "POST", "/predict", GOOD, 403),
        (Role.VIEWER, "POST", "/batch", {"inputs": []}, 403),
        (Role.OPERATOR, "POST", "/predict", GOOD, 200),
        (Role.OPERATOR, "POST", "/models/yield/activate", {"version": "1"}, 403),
        (Role.OPERATOR, "DELETE", "/models/yield/versions/1", None, 403),
        (Role.OPERATOR, "PUT", "/models/yield/alert-rules", {}, 403),
        (Role.OPERATOR, "GET", "/models/yield/alert-rules", None, 200),
        (Role.ENGINEER, "PUT", "/models/yield/alert-rules", {}, 200),
        (Role.ENGINEER, "POST", "/models/yield/activate", {"version": "1"}, 200),
    ],
)
async def test_each_role_may_do_its_own(
    bench: Bench,
    app: ServiceApp,
    published: httpx.AsyncClient,
    role: Role,
    method: str,
    path: str,
    body: dict | None,
    status: int,
):
    async with bench.client(app, role) as client:
        assert (await client.request(method, f"{API}{path}", json=body)).status_code == status


async def test_nobody_enters_without_the_gateways_word(app: ServiceApp):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://twin") as stranger:
        assert (await stranger.get(f"{API}/models")).status_code == 401
        assert (await stranger.get("/healthz")).status_code == 200


async def test_a_caller_limited_to_some_assets_has_to_name_one_of_them(
    bench: Bench, app: ServiceApp, published: httpx.AsyncClient
):
    async with bench.client(app, assets=("acme.osaka",)) as client:
        for asset, status in (("acme.osaka.r101", 200), ("acme.osaka", 200), ("acme.tokyo", 403), (None, 403)):
            params = {} if asset is None else {"asset": asset}
            assert (await client.post(f"{API}/predict", params=params, json=GOOD)).status_code == status


async def test_alert_rules_are_kept_and_a_contradiction_is_refused(published: httpx.AsyncClient):
    path = f"{API}/models/yield/alert-rules"
    assert (await published.get(path)).json()["minimum"] is None
    rules = {"minimum": 70.0, "maximum": 95.0, "cooldown_s": 60.0, "severity": "critical"}
    kept = {**rules, "hysteresis": 0.0, "rate_limit_per_min": None}
    assert (await published.put(path, json=rules)).json() == kept
    assert (await published.get(path)).json() == kept
    full = {**rules, "hysteresis": 2.5, "rate_limit_per_min": 1.5}
    assert (await published.put(path, json=full)).json() == full == (await published.get(path)).json()
    refused = await published.put(path, json={"minimum": 95, "maximum": 70})
    assert (refused.status_code, refused.json()["code"]) == (422, "twin.alert_rules_invalid")
    for number in (True, "5"):
        assert (await published.put(path, json={"minimum": number})).status_code == 422
    assert (await published.put(f"{API}/models/nobody/alert-rules", json=rules)).status_code == 404


async def test_predictions_are_counted_by_model_and_outcome(published: httpx.AsyncClient):
    await published.post(f"{API}/predict", json=GOOD)
    await published.post(f"{API}/predict", json={})
    await published.post(f"{API}/batch", json={"inputs": [GOOD, GOOD, {}]})
    await published.post(f"{API}/predict", params={"model": "made-up"}, json=GOOD)
    text = (await published.get("/metrics")).text
    assert 'futago_twin_predictions_total{model="yield",outcome="predicted",version="1"} 3.0' in text
    assert 'futago_twin_predictions_total{model="yield",outcome="refused",version="1"} 2.0' in text
    assert "futago_twin_models_loaded 1.0" in text
    assert "made-up" not in text


async def test_a_bundle_named_by_the_configuration_is_served_besides_the_published_ones(
    bench: Bench, published: httpx.AsyncClient
):
    folder = bench.bundle("boiler", "7")
    async with bench.twin(model_path=folder) as app, bench.client(app) as client:
        assert (await client.post(f"{API}/predict", json=GOOD)).json()["model"] == "boiler"
        assert (await client.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)).status_code == 200
        items = (await client.get(f"{API}/models")).json()["items"]
        assert [(item["name"], item["version"]) for item in items] == [("yield", "1"), ("boiler", "7")]
        assert (await client.get(f"{API}/models/boiler")).json()["published_at"] is None
        refused = await client.post(f"{API}/models/boiler/activate", json={"version": "7"})
        assert (refused.status_code, refused.json()["code"]) == (409, "twin.model_built_in")
        await publish(client, bench.archive("boiler", "8", trees=5))
        assert (await client.post(f"{API}/predict", json=GOOD)).json()["version"] == "8"


async def test_readiness_names_the_registry_and_the_threads(client: httpx.AsyncClient):
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["checks"]) == (200, {"registry": "ok", "compute": "ok"})
