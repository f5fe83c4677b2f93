"""From a wish to a published detector, with real queue, database, store and worker."""

import os
import signal

import httpx
import pytest

from shared.contracts.job import JobState
from tests.integration.anomaly.site import COLUMNS, Site, plant

ROWS = plant(500).tolist()


def wish(name: str = "pump", kind: str = "mahalanobis", **fields: object) -> dict[str, object]:
    return {"name": name, "kind": kind, "training": {"columns": COLUMNS, "rows": ROWS}, **fields}


async def test_network_is_trained_by_the_worker_and_serves(site: Site, client: httpx.AsyncClient):
    options = {"window_rows": 10, "hidden_units": 8, "latent": 4, "epochs": 3}
    with site.worker():
        answer = await client.post("/detectors", json=wish(kind="lstm_autoencoder", options=options))
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['id']}"
        job = site.wait_for(answer.json()["id"])
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert job.result["detector"] == "pump"
    assert job.result["version"] == 1
    card = (await client.get("/detectors/pump")).json()
    assert card["kind"] == "lstm_autoencoder"
    assert card["window"] == 10
    assert card["training"]["epochs"] == 3
    assert card["training"]["parity"]["largest_difference"] < 1e-4
    scored = await client.post("/detectors/pump/score", json={"columns": COLUMNS, "rows": plant(80, seed=5).tolist()})
    assert scored.status_code == 200
    assert sum(score is None for score in scored.json()["scores"]) == card["warmup_rows"]


async def test_cancelled_training_ends_and_publishes_nothing(site: Site, client: httpx.AsyncClient):
    options = {"epochs": 10_000, "patience_epochs": 10_000}
    with site.worker():
        job_id = (await client.post("/detectors", json=wish(kind="lstm_autoencoder", options=options))).json()["id"]
        site.wait_for_an_epoch(job_id)
        site.jobs.cancel(job_id)
        assert site.wait_for(job_id).state is JobState.CANCELLED
    assert (await client.get("/detectors/pump")).status_code == 404


async def test_training_survives_the_death_of_its_worker(site: Site, client: httpx.AsyncClient):
    options = {"window_rows": 10, "hidden_units": 8, "latent": 4, "epochs": 60, "patience_epochs": 60}
    with site.worker() as first:
        job_id = (await client.post("/detectors", json=wish(kind="lstm_autoencoder", options=options))).json()["id"]
        site.wait_for_an_epoch(job_id)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with site.worker():
        job = site.wait_for(job_id)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert len((await client.get("/detectors/pump")).json()["versions"]) == 1


async def test_same_name_gets_the_next_version_and_it_serves_at_once(site: Site, client: httpx.AsyncClient):
    for kind in ("mahalanobis", "pca"):
        site.train_now((await client.post("/detectors", json=wish(kind=kind))).json()["id"])
        scored = await client.post("/detectors/pump/score", json={"columns": COLUMNS, "rows": ROWS[:40]})
        card = (await client.get("/detectors/pump")).json()
        assert card["kind"] == kind
        assert scored.json()["version"] == str(card["version"])
    assert [version["version"] for version in card["versions"]] == [1, 2]


async def test_same_key_and_body_make_one_job_and_another_body_a_conflict(client: httpx.AsyncClient):
    key = {"Idempotency-Key": "monday"}
    first = await client.post("/detectors", json=wish(), headers=key)
    again = await client.post("/detectors", json=wish(), headers=key)
    other = await client.post("/detectors", json=wish(name="fan"), headers=key)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "job.idempotency_conflict")


async def test_training_takes_columns_of_an_upload_in_the_order_asked(site: Site, client: httpx.AsyncClient):
    lines = ["time;anomaly;temperature;flow;pressure"]
    for i, (flow, pressure, temperature) in enumerate(ROWS):
        lines.append(f"2026-04-01 {i // 3600:02}:{i // 60 % 60:02}:{i % 60:02};0;{temperature};{flow};{pressure}")
    file = ("\n".join(lines) + "\n").encode()
    upload = await client.post(
        "/uploads", params={"time_column": "time"}, content=file, headers={"Content-Type": "text/csv"}
    )
    assert upload.status_code == 201
    assert upload.json()["rows"] == len(ROWS)
    assert upload.json()["columns"] == ["anomaly", "temperature", "flow", "pressure"]
    training = {"upload_id": upload.json()["upload_id"], "columns": COLUMNS, "units": {"flow": "t/h"}}
    uploaded = await client.post("/detectors", json={"name": "uploaded", "kind": "mahalanobis", "training": training})
    site.train_now(uploaded.json()["id"])
    inline = await client.post("/detectors", json=wish(name="inline"))
    site.train_now(inline.json()["id"])
    cards = [(await client.get(f"/detectors/{name}")).json() for name in ("uploaded", "inline")]
    assert cards[0]["threshold"]["value"] == cards[1]["threshold"]["value"]
    assert cards[0]["columns"][0]["unit"] == "t/h"
    assert cards[0]["period"] == ["2026-04-01T00:00:00Z", "2026-04-01T00:08:19Z"]


@pytest.mark.parametrize(
    ("change", "code", "pointers"),
    [
        ({"kind": "gan"}, "anomaly.kind_unknown", ["/kind"]),
        ({"options": {"epochs": 3}}, "anomaly.options_refused", ["/options/epochs"]),
        ({"threshold": {"method": "roc"}}, "anomaly.threshold_refused", ["/threshold/method"]),
        ({"threshold": {"method": "percentile", "q": 99.9}}, "anomaly.too_few_rows", None),
        ({"training": {"columns": COLUMNS, "rows": ROWS[:20]}}, "anomaly.too_few_rows", None),
        ({"training": {"columns": COLUMNS}}, "anomaly.rows_refused", ["/training"]),
        ({"training": {"rows": ROWS}}, "anomaly.rows_refused", ["/training/columns"]),
        ({"training": {"columns": ["a", "a", "b"], "rows": ROWS}}, "anomaly.rows_refused", ["/training/columns/1"]),
        (
            {"training": {"columns": COLUMNS, "rows": [[1.0, 1e31, 2.0], [1.0]]}},
            "anomaly.rows_refused",
            ["/training/rows/0/1", "/training/rows/1"],
        ),
        ({"options": {"smoothing_rows": 10**400}}, "anomaly.options_refused", ["/options/smoothing_rows"]),
        (
            {"training": {"columns": COLUMNS, "rows": ROWS, "units": {"flow": "t\n/h"}}},
            "anomaly.rows_refused",
            ["/training/units/flow"],
        ),
        (
            {"training": {"upload_id": "nothing", "timestamps": ["2026-04-01T00:00:00Z"]}},
            "anomaly.rows_refused",
            ["/training/timestamps"],
        ),
        ({"training": {"upload_id": "\0"}}, "request.invalid", ["/training/upload_id"]),
        ({"name": "../up"}, "request.invalid", ["/name"]),
        ({"name": "a" * 65}, "request.invalid", ["/name"]),
        ({"kind": 3}, "request.invalid", ["/kind"]),
        ({"training": {"columns": COLUMNS, "rows": [["1.5", 1, 1]]}}, "request.invalid", ["/training/rows/0/0"]),
        ({"extra": 1}, "request.invalid", ["/extra"]),
    ],
)
async def test_wish_that_cannot_succeed_is_refused_before_it_is_a_job(
    site: Site, client: httpx.AsyncClient, change: dict[str, object], code: str, pointers: list[str] | None
):
    answer = await client.post("/detectors", json={**wish(), **change})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if pointers is not None:
        assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
    assert site.jobs.list().items == ()


async def test_upload_that_is_not_there_is_a_404(client: httpx.AsyncClient):
    answer = await client.post("/detectors", json={**wish(), "training": {"upload_id": "nothing"}})
    assert (answer.status_code, answer.json()["code"]) == (404, "anomaly.upload_missing")
