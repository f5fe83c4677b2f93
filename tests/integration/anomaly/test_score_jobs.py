"""Scores that take longer than a request, by the worker."""

import os
import signal

import httpx
import numpy as np
import pytest
from redis import Redis

from services.anomaly import worker
from shared.contracts.job import JobState
from shared.events import ALERTS
from shared.principal import Role
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving

ROWS = plant(3000, seed=3)
ROWS[2500:2600, 1] += 5.0


@pytest.fixture
async def quiet(client: httpx.AsyncClient, trained: str) -> str:
    """The detector with a limit that normal rows do not reach."""
    assert (await client.put(f"/detectors/{trained}/threshold", json={"method": "margin", "factor": 8})).is_success
    return trained


async def uploaded(client: httpx.AsyncClient, rows: np.ndarray, *, first_column: str = "") -> str:
    lines = [",".join([first_column, *COLUMNS] if first_column else COLUMNS)]
    lines += [",".join(["0", *map(repr, row)] if first_column else map(repr, row)) for row in rows.tolist()]
    answer = await client.post(
        "/uploads", content="\n".join(lines).encode() + b"\n", headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["upload_id"])


async def test_upload_is_scored_by_the_worker_like_one_long_call(site: Site, client: httpx.AsyncClient, quiet: str):
    upload_id = await uploaded(client, ROWS, first_column="unused")
    with site.worker():
        answer = await client.post(f"/detectors/{quiet}/score?asset=acme.pump", json={"upload_id": upload_id})
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['id']}"
        job = site.wait_for(answer.json()["id"])
    assert job.state is JobState.SUCCEEDED, job.error
    result = job.result
    assert result is not None
    found = await client.get(str(result["scores_url"]).removeprefix("/api/v1/anomaly"))
    wide = site.settings.model_copy(update={"score_limit_rows": 5000})
    async with serving(site, wide) as other:
        call = await other.post(f"/detectors/{quiet}/score", json={"columns": COLUMNS, "rows": ROWS.tolist()})
    assert found.json()["scores"] == call.json()["scores"]
    assert found.json()["contributions"] == call.json()["contributions"]
    assert (result["rows"], result["anomalous"]) == (3000, sum(call.json()["labels"]))
    assert result["episodes"] == call.json()["episodes"]


async def test_job_raises_alerts_and_counts_for_health_as_a_call_does(
    site: Site, client: httpx.AsyncClient, quiet: str
):
    upload_id = await uploaded(client, ROWS)
    job = await client.post(f"/detectors/{quiet}/score?asset=acme.pump", json={"upload_id": upload_id})
    site.score_now(job.json()["id"])
    with Redis.from_url(site.redis_url) as redis:
        assert redis.xlen(ALERTS) == 1
    health = (await client.get("/assets/acme.pump/health")).json()
    assert health["detectors"][0]["rows"] == 3000 - (await client.get(f"/detectors/{quiet}")).json()["warmup_rows"]


async def test_result_explains_no_more_than_fits_a_file(
    site: Site, client: httpx.AsyncClient, quiet: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "_MOST_CONTRIBUTIONS", 4 * len(COLUMNS))
    job = (await client.post(f"/detectors/{quiet}/score", json={"upload_id": await uploaded(client, ROWS)})).json()
    anomalous = site.score_now(job["id"])["anomalous"]
    found = (await client.get(f"/scores/{job['id']}")).json()
    assert sum(found["labels"]) == anomalous > 4
    highest = sorted(score for score in found["scores"] if score is not None)[-4:]
    assert sorted(part["score"] for part in found["contributions"]) == highest


async def test_more_rows_than_a_call_takes_become_a_job_with_their_context(
    site: Site, client: httpx.AsyncClient, quiet: str
):
    body = {"columns": COLUMNS[::-1], "rows": ROWS[100:, ::-1].tolist(), "context": ROWS[:100, ::-1].tolist()}
    answer = await client.post(f"/detectors/{quiet}/score", json=body)
    assert answer.status_code == 202, answer.text
    result = site.score_now(answer.json()["id"])
    found = (await client.get(str(result["scores_url"]).removeprefix("/api/v1/anomaly"))).json()
    assert len(found["scores"]) == 2900
    assert None not in found["scores"]
    assert 2395 <= found["episodes"][0]["start"] <= 2410


async def test_same_key_makes_one_job(client: httpx.AsyncClient, trained: str):
    key = {"Idempotency-Key": "monday"}
    upload_id = await uploaded(client, ROWS)
    answers = [
        await client.post(f"/detectors/{trained}/score", json={"upload_id": upload_id}, headers=key) for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_score_job_survives_the_death_of_its_worker(site: Site, client: httpx.AsyncClient, trained: str):
    upload_id = await uploaded(client, np.tile(ROWS, (20, 1)))
    with site.worker() as first:
        job_id = (await client.post(f"/detectors/{trained}/score", json={"upload_id": upload_id})).json()["id"]
        site.wait_for_progress(job_id)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with site.worker():
        job = site.wait_for(job_id)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2), job.error
    assert job.result is not None
    assert job.result["rows"] == 60_000


async def test_cancelled_score_job_publishes_nothing(site: Site, client: httpx.AsyncClient, trained: str):
    upload_id = await uploaded(client, ROWS)
    job_id = (await client.post(f"/detectors/{trained}/score", json={"upload_id": upload_id})).json()["id"]
    site.jobs.cancel(job_id)
    assert (await client.get(f"/scores/{job_id}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "anomaly.rows_refused"),
        ({"rows": [[1.0]]}, 422, "anomaly.rows_refused"),
        ({"upload_id": "nothing"}, 404, "anomaly.upload_missing"),
        ({"upload_id": "x", "columns": COLUMNS}, 422, "anomaly.rows_refused"),
        ({"upload_id": "x", "columns": COLUMNS, "rows": [[1.0, 1.0, 1.0]]}, 422, "anomaly.rows_refused"),
    ],
)
async def test_wish_that_cannot_be_scored_is_refused_before_it_is_a_job(
    site: Site, client: httpx.AsyncClient, trained: str, body: dict[str, object], status: int, code: str
):
    jobs = len(site.jobs.list().items)
    answer = await client.post(f"/detectors/{trained}/score", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(site.jobs.list().items) == jobs


async def test_upload_without_the_detectors_columns_is_refused(client: httpx.AsyncClient, trained: str):
    file = await client.post("/uploads", content=b"flow,level\n1,2\n", headers={"Content-Type": "text/csv"})
    answer = await client.post(f"/detectors/{trained}/score", json={"upload_id": file.json()["upload_id"]})
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 2)


@pytest.mark.parametrize(("assets", "status"), [((), 200), (("acme.pump",), 200), (("acme.fan",), 403)])
async def test_scores_of_a_job_are_for_those_who_may_reach_its_asset(
    site: Site, client: httpx.AsyncClient, trained: str, assets: tuple[str, ...], status: int
):
    upload_id = await uploaded(client, ROWS[:200])
    job = await client.post(f"/detectors/{trained}/score?asset=acme.pump", json={"upload_id": upload_id})
    site.score_now(job.json()["id"])
    headers = site.headers(Role.VIEWER, assets=assets)
    assert (await client.get(f"/scores/{job.json()['id']}", headers=headers)).status_code == status


async def test_scores_and_uploads_are_their_owners(site: Site, client: httpx.AsyncClient, trained: str):
    upload_id = await uploaded(client, ROWS[:200])
    job_id = (await client.post(f"/detectors/{trained}/score", json={"upload_id": upload_id})).json()["id"]
    site.score_now(job_id)
    others = site.headers(Role.OPERATOR, subject="bob")
    assert (await client.get(f"/scores/{job_id}")).status_code == 200
    assert (await client.get(f"/scores/{job_id}", headers=others)).status_code == 404
    again = await client.post(f"/detectors/{trained}/score", json={"upload_id": upload_id}, headers=others)
    assert (again.status_code, again.json()["code"]) == (404, "anomaly.upload_missing")
    assert (await client.get(f"/scores/{job_id}", headers=site.headers(subject="eve"))).status_code == 200
