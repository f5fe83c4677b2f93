"""Missing readings, pauses, machines that are off and the clock, over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from tests.integration.anomaly.site import COLUMNS, Site, plant

START = datetime(2026, 4, 1, tzinfo=UTC)
NORMAL = plant(500)
LATER = plant(80, seed=5)
OPTIONS = {"smoothing_rows": 4, "max_gap_rows": 2}


def times(rows: int, *, after_s: int = 0, step_s: int = 1) -> list[str]:
    return [(START + timedelta(seconds=after_s + i * step_s)).isoformat() for i in range(rows)]


def cells(rows: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]


async def train(site: Site, client: httpx.AsyncClient, rows: np.ndarray, **training: object) -> None:
    wish = {
        "name": "pump",
        "kind": "mahalanobis",
        "training": {"columns": COLUMNS, "rows": cells(rows), **training},
        "options": OPTIONS,
    }
    answer = await client.post("/detectors", json=wish)
    assert answer.status_code == 202, answer.text
    site.train_now(answer.json()["id"])


async def score(client: httpx.AsyncClient, rows: np.ndarray, **fields: object) -> httpx.Response:
    return await client.post("/detectors/pump/score", json={"columns": COLUMNS, "rows": cells(rows), **fields})


async def test_missing_readings_are_held_or_marked_and_the_card_counts_them(site: Site, client: httpx.AsyncClient):
    rows = NORMAL.copy()
    rows[100:102, 0] = np.nan
    rows[200:210, 1] = np.nan
    await train(site, client, rows)
    card = (await client.get("/detectors/pump")).json()
    assert card["preparation"]["missing"] == {"flow": 0.004, "pressure": 0.02}
    assert card["preparation"]["left_out_rows"] == {"missing": 8, "machine_off": 0}
    later = LATER.copy()
    later[30:32, 0] = np.nan
    later[50:60, 1] = np.nan
    answer = (await score(client, later, context=cells(NORMAL))).json()
    assert answer["unusable"] == [
        {"start": 52, "end": 59, "reason": "missing"},
        {"start": 60, "end": 62, "reason": "after_gap"},
    ]
    assert [row for row, score in enumerate(answer["scores"]) if score is None] == list(range(52, 63))
    assert not any(answer["labels"][52:63])


async def test_pause_between_rows_is_seen_in_one_call_and_in_two(site: Site, client: httpx.AsyncClient):
    await train(site, client, NORMAL, timestamps=times(500))
    assert (await client.get("/detectors/pump")).json()["preparation"]["cadence"]["step_s"] == 1.0
    when = [*times(40), *times(40, after_s=100)]
    once = (await score(client, LATER, timestamps=when)).json()
    assert once["unusable"] == [
        {"start": 0, "end": 2, "reason": "warm_up"},
        {"start": 40, "end": 42, "reason": "after_gap"},
    ]
    second = await score(
        client, LATER[41:], timestamps=when[41:], context=cells(LATER[:41]), context_timestamps=when[:41]
    )
    assert second.json()["scores"] == pytest.approx(once["scores"][41:])


async def test_machine_that_is_off_is_neither_learned_nor_judged_nor_forgotten_by_a_retraining(
    site: Site, client: httpx.AsyncClient
):
    rows, later = NORMAL.copy(), LATER.copy()
    rows[100:150] = 0.0
    later[20:30] = 0.0
    off = {"column": "flow", "below": 5.0, "margin_rows": 2}
    await train(site, client, rows, off=off)
    found = (await score(client, later, context=cells(NORMAL))).json()
    assert found["unusable"] == [
        {"start": 20, "end": 31, "reason": "machine_off"},
        {"start": 32, "end": 34, "reason": "after_gap"},
    ]
    assert found["episodes"] == []
    again = await client.post("/detectors/pump/retrain", json={"training": {"rows": cells(rows)}})
    site.train_now(again.json()["id"])
    card = (await client.get("/detectors/pump")).json()
    assert card["version"] == 2
    assert card["preparation"]["off"] == off


async def test_detector_that_goes_by_the_clock_asks_for_times(site: Site, client: httpx.AsyncClient):
    rows = plant(24 * 20)
    rows[:, 2] += 20.0 * np.sin(2.0 * np.pi * np.arange(len(rows)) / 24.0)
    await train(site, client, rows, timestamps=times(len(rows), step_s=3600))
    assert (await client.get("/detectors/pump")).json()["preparation"]["season"]["every"] == "day"
    refused = await score(client, rows[:48])
    assert (refused.status_code, refused.json()["code"]) == (422, "anomaly.times_missing")
    assert refused.json()["errors"][0]["pointer"] == "/timestamps"
    assert (await score(client, rows[:48], timestamps=times(48, step_s=3600))).status_code == 200
    again = await client.post("/detectors/pump/retrain", json={"training": {"rows": cells(rows)}})
    assert (again.status_code, again.json()["code"]) == (422, "anomaly.times_missing")


async def test_empty_cells_of_a_file_are_missing_readings(site: Site, client: httpx.AsyncClient):
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in NORMAL.tolist())]
    lines[7] = ",," + lines[7].split(",")[2]
    upload = await client.post("/uploads", content="\n".join(lines).encode(), headers={"Content-Type": "text/csv"})
    assert upload.json()["missing"] == 2
    wish = {"name": "pump", "kind": "mahalanobis", "training": {"upload_id": upload.json()["upload_id"]}}
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    assert (await client.get("/detectors/pump")).json()["preparation"]["missing"] == {"flow": 0.002, "pressure": 0.002}


@pytest.mark.parametrize(
    ("training", "code", "pointer"),
    [
        ({"off": {"column": "level", "below": 1.0}}, "anomaly.off_rule_refused", "/training/off/column"),
        ({"off": {"column": "flow"}}, "anomaly.off_rule_refused", "/training/off"),
        ({"off": {"column": "flow", "above": -1e9}}, "anomaly.too_few_usable_rows", None),
        ({"rows": [[None, None, None]] * 500}, "anomaly.too_few_usable_rows", None),
        ({"rows": [[None, 1.0, 1e31]] * 500}, "anomaly.rows_refused", "/training/rows/0/2"),
    ],
)
async def test_training_that_has_nothing_to_learn_from_is_refused_before_it_is_a_job(
    site: Site, client: httpx.AsyncClient, training: dict[str, object], code: str, pointer: str | None
):
    body = {"name": "pump", "training": {"columns": COLUMNS, "rows": cells(NORMAL), **training}}
    answer = await client.post("/detectors", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert site.jobs.list().items == ()


async def test_times_of_context_that_is_not_before_the_rows_are_refused(site: Site, client: httpx.AsyncClient):
    await train(site, client, NORMAL, timestamps=times(500))
    answer = await score(client, LATER, timestamps=times(80), context=cells(NORMAL[:3]), context_timestamps=times(3))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/context_timestamps/2"
