"""Experiments over HTTP, called as the gateway calls the twin."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.clock import SystemClock
from shared.http.app import ServiceApp
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
EXPERIMENT = f"{API}/models/yield/experiment"
VARIANTS = [{"name": "A", "version": "1"}, {"name": "B", "version": "2"}]
WITHIN_S = 5.0


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, key_pair: Any) -> Bench:
    """Makes bundles; where each is made once, for packaging takes longer than everything else here."""
    return Bench(tmp_path_factory.mktemp("shelf"), key_pair, SystemClock(), "")


@pytest.fixture(scope="module")
def archives(shelf: Bench) -> dict[str, bytes]:
    return {version: shelf.archive(version=version, trees=trees) for version, trees in (("1", 3), ("2", 5), ("3", 7))}


@pytest.fixture
def stocked(bench: Bench, shelf: Bench) -> Bench:
    bench.trust.enrol(shelf.key().public_pem())
    return bench


@pytest.fixture
async def app(stocked: Bench) -> AsyncIterator[ServiceApp]:
    async with stocked.twin() as app:
        yield app


@pytest.fixture
async def client(bench: Bench, app: ServiceApp, archives: dict[str, bytes]) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.client(app) as client:
        for archive in archives.values():
            assert (await publish(client, archive)).status_code == 201
        yield client


async def predict(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    response = await client.post(f"{API}/predict", params=params, json=GOOD)
    assert response.status_code == 200, response.text
    return response.json()


async def start(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.put(EXPERIMENT, json={"variants": VARIANTS, **changes})
    assert response.status_code == 200, response.text
    return response.json()


async def test_variants_share_the_requests_half_and_half_and_stick_to_their_asset(client: httpx.AsyncClient):
    started = await start(client)
    assert [(v["name"], v["version"], v["weight"], v["share"]) for v in started["variants"]] == [
        ("A", "1", 0.5, 0.5),
        ("B", "2", 0.5, 0.5),
    ]
    assert (started["sticky"], started["started_by"], started["shadow"]) == ("key", "kato", [])
    answers = [await predict(client, asset=f"acme.r{number}") for number in range(40)]
    assert {(answer["variant"], answer["version"]) for answer in answers} == {("A", "1"), ("B", "2")}
    for number in range(5):
        again = await predict(client, asset=f"acme.r{number}")
        assert again["variant"] == answers[number]["variant"]
        keyed = await predict(client, asset="another", sticky_key=f"acme.r{number}")
        assert keyed["variant"] == answers[number]["variant"]
    counted = Counter(answer["variant"] for answer in answers)
    counted.update(answer["variant"] for answer in answers[:5] * 2)
    report = (await client.get(EXPERIMENT)).json()
    assert {v["name"]: v["predictions"] for v in report["variants"]} == counted


async def test_an_answer_is_that_of_its_version_alone(client: httpx.AsyncClient):
    alone = {}
    for version in ("1", "2"):
        await client.post(f"{API}/models/yield/activate", json={"version": version})
        alone[version] = (await predict(client))["prediction"]
    assert alone["1"] != alone["2"]
    await start(client, sticky="request")
    for _ in range(10):
        answer = await predict(client)
        assert answer["prediction"] == alone[answer["version"]]


async def test_a_batch_is_answered_by_one_variant(client: httpx.AsyncClient):
    await start(client)
    body = {"inputs": [GOOD, {"temp": 999, "pressure": 6}, GOOD]}
    response = await client.post(f"{API}/batch", params={"asset": "acme.r1"}, json=body)
    variant = (await predict(client, asset="acme.r1"))["variant"]
    assert response.json()["version"] == {"A": "1", "B": "2"}[variant]
    report = (await client.get(EXPERIMENT)).json()
    (own,) = [v for v in report["variants"] if v["name"] == variant]
    (other,) = [v for v in report["variants"] if v["name"] != variant]
    assert (own["predictions"], own["refused"], other["predictions"], other["refused"]) == (3, 1, 0, 0)


async def test_other_weights_go_on_with_what_was_counted_and_other_versions_begin_anew(client: httpx.AsyncClient):
    started = await start(client)
    await predict(client, asset="acme.r1")
    weighted = [{**variant, "weight": weight} for variant, weight in zip(VARIANTS, (3, 1), strict=True)]
    changed = await start(client, variants=weighted)
    assert [v["share"] for v in changed["variants"]] == [0.75, 0.25]
    assert sum(v["predictions"] for v in changed["variants"]) == 1
    assert changed["started_at"] == started["started_at"]
    other = await start(client, variants=[VARIANTS[0], {"name": "B", "version": "3"}])
    assert sum(v["predictions"] for v in other["variants"]) == 0


async def until_compared(client: httpx.AsyncClient, count: int) -> dict[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        while True:
            (shadow,) = (await client.get(EXPERIMENT)).json()["shadow"]
            if shadow["compared"] >= count:
                return shadow
            await asyncio.sleep(0.01)


async def test_a_shadow_is_compared_and_never_returned(client: httpx.AsyncClient):
    alone = {}
    for version in ("1", "3"):
        await client.post(f"{API}/models/yield/activate", json={"version": version})
        alone[version] = (await predict(client))["prediction"]
    await start(client, variants=VARIANTS[:1], shadow=[{"name": "next", "version": "3"}])
    for number in range(4):
        assert (await predict(client, asset=f"acme.r{number}"))["version"] == "1"
    shadow = await until_compared(client, 4)
    difference = pytest.approx(abs(alone["3"] - alone["1"]))
    assert (shadow["compared"], shadow["failed"]) == (4, 0)
    assert (shadow["mean_abs_difference"], shadow["max_abs_difference"]) == (difference, difference)


async def test_versions_are_compared_by_what_was_measured(client: httpx.AsyncClient):
    await start(client, shadow=[{"name": "next", "version": "3"}])
    observations = [
        {
            "model": "yield",
            "inputs": {"temp": 345 + number % 30, "pressure": 5 + number % 7 / 4},
            "actual": 80.0 + number % 5,
        }
        for number in range(60)
    ]
    assert (await client.post(f"{API}/observations", json=observations)).status_code == 200
    report = (await client.get(EXPERIMENT)).json()
    arms = {arm["name"]: arm for arm in report["variants"] + report["shadow"]}
    assert {name: arm["observations"]["n"] for name, arm in arms.items()} == {"A": 60, "B": 60, "next": 60}
    assert arms["A"]["comparison"] is None
    comparison = arms["B"]["comparison"]
    assert (comparison["baseline"], comparison["n"], comparison["level"]) == ("A", 60, 0.975)
    difference = arms["B"]["observations"]["rmse"] - arms["A"]["observations"]["rmse"]
    assert comparison["rmse"]["difference"] == pytest.approx(difference)
    assert comparison["rmse"]["lower"] < comparison["rmse"]["difference"] < comparison["rmse"]["upper"]
    assert arms["B"]["verdict"].endswith("(60 observations)")
    assert report["unit"] == "%"


async def test_promotion_activates_the_version_and_ends_the_experiment(client: httpx.AsyncClient):
    await start(client)
    promoted = await client.post(f"{EXPERIMENT}/promote", json={"variant": "B"})
    assert (promoted.status_code, promoted.json()["version"], promoted.json()["state"]) == (200, "2", "active")
    answer = await predict(client)
    assert (answer["version"], answer["variant"]) == ("2", None)
    assert (await client.get(EXPERIMENT)).json()["code"] == "twin.experiment_missing"


async def test_after_its_end_the_active_version_answers(client: httpx.AsyncClient):
    await start(client)
    assert (await client.delete(EXPERIMENT)).status_code == 204
    assert {(await predict(client, asset=f"acme.r{n}"))["version"] for n in range(8)} == {"1"}
    for method, path in (("GET", EXPERIMENT), ("DELETE", EXPERIMENT), ("POST", f"{EXPERIMENT}/promote")):
        response = await client.request(method, path, json={"variant": "A"} if method == "POST" else None)
        assert (response.status_code, response.json()["code"]) == (404, "twin.experiment_missing")


async def test_what_an_experiment_compares_cannot_be_taken_away_or_bypassed(client: httpx.AsyncClient):
    await start(client, shadow=[{"name": "next", "version": "3"}])
    for version in ("2", "3"):
        response = await client.delete(f"{API}/models/yield/versions/{version}")
        assert (response.status_code, response.json()["code"]) == (409, "twin.version_in_experiment")
    response = await client.post(f"{API}/models/yield/activate", json={"version": "2"})
    assert (response.status_code, response.json()["code"]) == (409, "twin.experiment_running")
    await client.delete(EXPERIMENT)
    assert (await client.delete(f"{API}/models/yield/versions/3")).status_code == 204
    assert (await client.post(f"{API}/models/yield/activate", json={"version": "2"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"variants": [VARIANTS[0], {"name": "B", "version": "9"}]}, 404, "twin.version_missing"),
        ({"variants": [VARIANTS[0]]}, 422, "twin.experiment_invalid"),
        ({"variants": [VARIANTS[0], {"name": "A", "version": "2"}]}, 422, "twin.experiment_invalid"),
        ({"variants": [{**VARIANTS[0], "weight": 1}, VARIANTS[1]]}, 422, "twin.experiment_invalid"),
        ({"variants": [{**variant, "weight": 0} for variant in VARIANTS]}, 422, "twin.experiment_invalid"),
        ({"variants": []}, 422, "request.invalid"),
        ({"variants": [{**VARIANTS[0], "weight": True}, VARIANTS[1]]}, 422, "request.invalid"),
        ({"variants": [{**variant, "weight": 10**400} for variant in VARIANTS]}, 422, "request.invalid"),
        ({"variants": VARIANTS, "sticky": "never"}, 422, "request.invalid"),
    ],
)
async def test_an_experiment_that_cannot_run_is_refused_and_nothing_changes(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, code: str
):
    response = await client.put(EXPERIMENT, json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (await predict(client))["variant"] is None


async def test_a_promotion_of_nobody_and_an_experiment_on_nothing_are_404(client: httpx.AsyncClient):
    await start(client)
    response = await client.post(f"{EXPERIMENT}/promote", json={"variant": "C"})
    assert (response.status_code, response.json()["code"]) == (404, "twin.variant_missing")
    response = await client.put(f"{API}/models/nobody/experiment", json={"variants": VARIANTS})
    assert (response.status_code, response.json()["code"]) == (404, "twin.model_missing")


@pytest.mark.parametrize(
    ("role", "method", "status"),
    [
        (Role.OPERATOR, "PUT", 403),
        (Role.OPERATOR, "DELETE", 403),
        (Role.VIEWER, "GET", 200),
        (Role.ENGINEER, "PUT", 200),
    ],
)
async def test_who_publishes_may_experiment_and_who_reads_may_look(
    bench: Bench, app: ServiceApp, client: httpx.AsyncClient, role: Role, method: str, status: int
):
    await start(client)
    async with bench.client(app, role) as caller:
        response = await caller.request(method, EXPERIMENT, json={"variants": VARIANTS} if method == "PUT" else None)
    assert response.status_code == status


async def test_the_metrics_count_each_variant(client: httpx.AsyncClient):
    await start(client)
    variant = (await predict(client, asset="acme.r1"))["variant"]
    version = {"A": "1", "B": "2"}[variant]
    line = f'futago_twin_variant_predictions_total{{model="yield",variant="{variant}",version="{version}"}} 1.0'
    assert line in (await client.get("/metrics")).text


async def test_counts_survive_a_restart(stocked: Bench, archives: dict[str, bytes]):
    async with stocked.twin() as app, stocked.client(app) as client:
        for version in ("1", "2"):
            await publish(client, archives[version])
        await start(client)
        for number in range(3):
            await predict(client, asset=f"acme.r{number}")
    async with stocked.twin() as app, stocked.client(app) as client:
        report = (await client.get(EXPERIMENT)).json()
        assert sum(v["predictions"] for v in report["variants"]) == 3
        assert (await predict(client, asset="acme.r1"))["variant"] in {"A", "B"}


async def test_alert_rules_go_with_their_model(stocked: Bench, archives: dict[str, bytes]):
    async with stocked.twin() as app, stocked.client(app) as client:
        await publish(client, archives["1"])
        await client.put(f"{API}/models/yield/alert-rules", json={"minimum": 1, "hysteresis": 0.5})
        rules = (await client.get(f"{API}/models/yield/alert-rules")).json()
        assert (rules["minimum"], rules["hysteresis"], rules["rate_limit_per_min"]) == (1.0, 0.5, None)
        assert (await client.delete(f"{API}/models/yield/versions/1")).status_code == 204
        await publish(client, archives["1"])
        assert (await client.get(f"{API}/models/yield/alert-rules")).json()["minimum"] is None
