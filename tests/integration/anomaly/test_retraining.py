"""Newer versions of a detector: trained on newer rows, compared, chosen, taken back."""

import asyncio

import httpx
import pytest

from tests.integration.anomaly.site import COLUMNS, Site, plant

NEWER = plant(600, seed=9)


def newer(**fields: object) -> dict[str, object]:
    return {"training": {"columns": COLUMNS, "rows": NEWER.tolist()}, **fields}


async def retrained(site: Site, client: httpx.AsyncClient, **fields: object) -> dict[str, object]:
    answer = await client.post("/detectors/pump/retrain", json=newer(**fields))
    assert answer.status_code == 202, answer.text
    return dict(site.train_now(answer.json()["id"]))


async def serving_version(client: httpx.AsyncClient) -> str:
    answer = await client.post("/detectors/pump/score", json={"columns": COLUMNS, "rows": NEWER[:50].tolist()})
    assert answer.status_code == 200
    return str(answer.json()["version"])


async def test_next_version_is_made_like_the_one_before(site: Site, client: httpx.AsyncClient):
    options = {"smoothing_rows": 12}
    training = {"columns": COLUMNS, "rows": plant(600).tolist(), "units": {"flow": "t/h"}}
    wish = {"name": "pump", "kind": "pca", "training": training, "options": options}
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    turned = {"columns": COLUMNS[::-1], "rows": NEWER[:, ::-1].tolist()}
    answer = await client.post("/detectors/pump/retrain", json={"training": turned})
    assert site.train_now(answer.json()["id"])["promoted"] is True
    card = (await client.get("/detectors/pump")).json()
    assert (card["version"], card["kind"], card["options"]["smoothing_rows"]) == (2, "pca", 12)
    assert [(column["name"], column["unit"]) for column in card["columns"]] == [
        ("flow", "t/h"),
        ("pressure", None),
        ("temperature", None),
    ]


async def test_manual_version_waits_until_it_is_activated_and_can_be_taken_back(
    site: Site, client: httpx.AsyncClient, trained: str
):
    result = await retrained(site, client, promote="manual")
    assert (result["version"], result["promoted"]) == (2, False)
    assert await serving_version(client) == "1"
    comparison = (await client.get("/detectors/pump")).json()["versions"][1]["comparison"]
    assert comparison["with_version"] == 1
    assert comparison["serving"]["rows"] > 100
    assert set(comparison["sensor_shift"]) == set(COLUMNS)
    answer = await client.post("/detectors/pump/activate", json={"version": 2})
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert await serving_version(client) == "2"
    answer = await client.post("/detectors/pump/activate", json={"previous": True})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert await serving_version(client) == "1"


async def test_version_that_was_chosen_serves_until_the_next_promotion(
    site: Site, client: httpx.AsyncClient, trained: str
):
    await retrained(site, client, promote="manual")
    await retrained(site, client, promote="manual")
    assert await serving_version(client) == "1"
    await retrained(site, client, promote="auto")
    assert await serving_version(client) == "4"


async def test_candidate_that_is_clearly_worse_is_published_and_does_not_serve(
    site: Site, client: httpx.AsyncClient, trained: str
):
    result = await retrained(site, client, threshold={"method": "value", "value": 1e-6})
    assert (result["version"], result["promoted"]) == (2, False)
    assert await serving_version(client) == "1"


async def test_candidate_that_learned_a_dead_sensor_does_not_serve_by_itself(
    site: Site, client: httpx.AsyncClient, trained: str
):
    rows = plant(600, seed=5)
    rows[:, 1] = 6.0
    result = await retrained(site, client, training={"columns": COLUMNS, "rows": rows.tolist()})
    assert result["promoted"] is False
    assert result["comparison"]["stopped_sensors"] == ["pressure"]
    assert await serving_version(client) == "1"


async def test_limit_that_a_person_set_is_not_carried_over(site: Site, client: httpx.AsyncClient, trained: str):
    published = (await client.get("/detectors/pump")).json()["threshold"]["rule"]
    await client.put("/detectors/pump/threshold", json={"method": "value", "value": 7.5})
    await retrained(site, client)
    assert (await client.get("/detectors/pump")).json()["threshold"]["rule"] == published


async def test_method_that_was_set_later_is(site: Site, client: httpx.AsyncClient, trained: str):
    rule = {"method": "margin", "factor": 9.0}
    assert (await client.put("/detectors/pump/threshold", json=rule)).status_code == 200
    await retrained(site, client)
    assert (await client.get("/detectors/pump")).json()["threshold"]["rule"] == rule


async def test_no_call_fails_while_a_newer_version_begins_to_serve(site: Site, client: httpx.AsyncClient, trained: str):
    versions = set()
    done = asyncio.Event()

    async def keep_scoring() -> None:
        while not done.is_set():
            versions.add(await serving_version(client))

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(keep_scoring())
        job_id = (await client.post("/detectors/pump/retrain", json=newer())).json()["id"]
        await asyncio.to_thread(site.train_now, job_id)
        await serving_version(client)
        done.set()
    assert versions == {"1", "2"}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "anomaly.rows_refused", "/training"),
        ({"training": {"rows": [[1.0, 2.0, 3.0]] * 2}}, "anomaly.too_few_rows", None),
        (newer() | {"training": {"columns": ["flow"], "rows": [[1.0]]}}, "anomaly.rows_refused", "/training/columns"),
        (newer(options={"epochs": 3}), "anomaly.options_refused", "/options/epochs"),
        (newer(threshold={"method": "f1"}), "anomaly.threshold_refused", "/threshold/method"),
        (newer(promote="always"), "request.invalid", "/promote"),
    ],
)
async def test_wish_that_cannot_succeed_is_refused(
    client: httpx.AsyncClient, trained: str, body: dict[str, object], code: str, pointer: str | None
):
    answer = await client.post("/detectors/pump/retrain", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert pointer is None or pointer in [fault["pointer"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("none", {"version": 1}, 404, "anomaly.detector_missing"),
        ("pump", {"version": 9}, 404, "anomaly.version_missing"),
        ("pump", {"previous": True}, 409, "anomaly.previous_missing"),
        ("pump", {}, 422, "request.invalid"),
        ("pump", {"version": 1, "previous": True}, 422, "request.invalid"),
    ],
)
async def test_activation_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, trained: str, name: str, body: dict[str, object], status: int, code: str
):
    answer = await client.post(f"/detectors/{name}/activate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_detector_that_is_not_there_is_a_404(client: httpx.AsyncClient):
    answer = await client.post("/detectors/none/retrain", json=newer())
    assert (answer.status_code, answer.json()["code"]) == (404, "anomaly.detector_missing")
