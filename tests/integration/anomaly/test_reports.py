"""Reports and maps of trainings, as data and as a page."""

import httpx
import pytest

from tests.integration.anomaly.site import COLUMNS, plant


async def test_report_is_data_with_the_limit_in_force(client: httpx.AsyncClient, trained: str):
    await client.put(f"/detectors/{trained}/threshold", json={"method": "value", "value": 7.5})
    answer = await client.get(f"/detectors/{trained}/report")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    report = answer.json()
    assert (report["detector"], report["version"], report["columns"]) == (trained, "1", COLUMNS)
    assert report["threshold"]["value"] == 7.5
    assert sum(report["held_out"]["counts"]) == report["held_out"]["rows"]


async def test_labelled_limit_brings_its_confusion_and_curve(client: httpx.AsyncClient, trained: str):
    rows = plant(100, seed=3)
    rows[60:, 1] += 5.0
    labelled = {"method": "roc", "columns": COLUMNS, "rows": rows.tolist(), "labels": [0] * 60 + [1] * 40}
    assert (await client.put(f"/detectors/{trained}/threshold", json=labelled)).status_code == 200
    evidence = (await client.get(f"/detectors/{trained}/report")).json()["threshold"]["evidence"]
    assert evidence["recall"] > 0.9


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "text/html; charset=utf-8"),
        ("application/json", "?format=html", "text/html; charset=utf-8"),
        ("text/html", "?format=json", "application/json"),
        ("application/json, text/html", "", "application/json"),
        ("*/*", "", "application/json"),
    ],
)
async def test_page_is_given_to_those_who_ask_for_it(
    client: httpx.AsyncClient, trained: str, accept: str, query: str, media_type: str
):
    answer = await client.get(f"/detectors/{trained}/report{query}", headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type
    if "html" in media_type:
        assert "script" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert f"<h1>{trained}, version 1</h1>" in answer.text


async def test_page_shows_a_limit_that_was_set_later(client: httpx.AsyncClient, trained: str):
    page = f"/detectors/{trained}/report?format=html"
    assert "Limit in force" not in (await client.get(page)).text
    await client.put(f"/detectors/{trained}/threshold", json={"method": "value", "value": 7.5})
    assert "It was set later, to 7.5, by the method value." in (await client.get(page)).text


async def test_map_has_a_point_for_each_of_its_rows(client: httpx.AsyncClient, trained: str):
    latent = (await client.get(f"/detectors/{trained}/latent")).json()
    assert len(latent["points"]) == len(latent["rows"]) == len(latent["blocks"]) > 0
    assert all(len(point) == 2 for point in latent["points"])


@pytest.mark.parametrize("what", ["report", "latent"])
async def test_detector_that_is_not_there_is_a_404(client: httpx.AsyncClient, what: str):
    answer = await client.get(f"/detectors/none/{what}")
    assert (answer.status_code, answer.json()["code"]) == (404, "anomaly.detector_missing")
