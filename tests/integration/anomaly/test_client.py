"""The client's calls against the real service; the gateway's part, tokens and jobs, is played by a transport."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from futago import Client, Conflict, InvalidInput, NotFound
from services.anomaly.app import create_app
from shared.contracts.job import JobState
from tests.integration.anomaly.site import COLUMNS, Site, plant

NORMAL = plant(600)
START = datetime(2026, 4, 1, tzinfo=UTC)


def times(rows: int) -> list[datetime]:
    return [START + timedelta(seconds=i) for i in range(rows)]


class Suite(httpx.BaseTransport):
    """Runs the service in a thread of its own; a job that is asked for is done first."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._app = create_app(site.settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._lifespan = self._app.api.router.lifespan_context(self._app.api)
        self._run(self._lifespan.__aenter__())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/v1/jobs/"):
            return httpx.Response(200, json=self._done(request.url.path.rpartition("/")[2]))
        return self._run(self._forwarded(request))

    def stop(self) -> None:
        self._run(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _forwarded(self, request: httpx.Request) -> httpx.Response:
        headers = {**dict(request.headers), **self._site.headers()}
        content = b"".join(request.stream)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://anomaly") as client:
            answer = await client.request(
                request.method, request.url.raw_path.decode(), headers=headers, content=content
            )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def _done(self, job_id: str) -> dict[str, object]:
        job = self._site.jobs.get(job_id)
        if job.state is JobState.QUEUED:
            do = {"anomaly.train": self._site.train_now, "anomaly.score": self._site.score_now}[job.kind]
            do(job_id)
        return dict(self._site.jobs.get(job_id).to_json())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@pytest.fixture
def suite(site: Site) -> Iterator[Client]:
    transport = Suite(site)
    with Client("http://gateway", api_key="fk_good", transport=transport, sleep=lambda _: None) as client:
        yield client
    transport.stop()


@pytest.fixture
def pump(suite: Client) -> Client:
    """A client of a suite with a trained detector."""
    suite.wait(suite.train_detector("pump", columns=COLUMNS, rows=NORMAL, units={"flow": "t/h"}))
    return suite


def test_detector_is_trained_scores_and_is_forgotten(pump: Client):
    (card,) = pump.detectors()
    assert (card["name"], card["columns"][0]["unit"]) == ("pump", "t/h")
    faulty = NORMAL[:100].copy()
    faulty[60:, 1] += 8.0
    found = pump.score("pump", COLUMNS, faulty, times(100), "acme.pump")
    assert found["labels"][-1] == 1
    pump.delete_detector("pump")
    with pytest.raises(NotFound):
        pump.detector("pump")


def test_uploads_train_and_score(suite: Client, tmp_path: Path):
    file = tmp_path / "pump.csv"
    lines = [",".join(["when", *COLUMNS])]
    lines += [
        ",".join([time.isoformat(), *map(repr, row)]) for time, row in zip(times(600), NORMAL.tolist(), strict=True)
    ]
    file.write_text("\n".join(lines) + "\n")
    upload = suite.upload(file, time_column="when")
    assert (upload["rows"], upload["columns"], upload["missing"]) == (600, COLUMNS, 0)
    suite.wait(suite.train_detector("pump", upload_id=upload["upload_id"]))
    job = suite.wait(suite.score_upload("pump", upload["upload_id"], "acme.pump"))
    assert job.result["rows"] == 600
    assert len(suite.scores(job)["scores"]) == 600


def test_file_of_an_unknown_ending_is_refused_before_it_is_sent(suite: Client, tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"\.parquet"):
        suite.upload(tmp_path / "pump.xlsx")


def test_more_rows_than_a_call_takes_are_scored_all_the_same(pump: Client):
    rows = np.tile(NORMAL, (4, 1))
    assert len(pump.score("pump", COLUMNS, rows, times(2400))["scores"]) == 2400


def test_stream_keeps_what_it_looks_back_on(pump: Client):
    moments = times(200)
    pump.stream("pump", "acme.pump", NORMAL[:100], moments[:100], restart=True)
    found = pump.stream("pump", "acme.pump", NORMAL[100:200], moments[100:])
    assert None not in found["scores"]


def test_limit_is_set_by_a_method_or_by_labels(pump: Client):
    assert pump.set_threshold("pump", "value", value=7.5)["value"] == 7.5
    rows = NORMAL[:100].copy()
    rows[60:, 1] += 8.0
    labelled = pump.set_threshold("pump", "f1", columns=COLUMNS, rows=rows, labels=[0] * 60 + [1] * 40)
    assert labelled["evidence"]["recall"] > 0.8
    with pytest.raises(InvalidInput):
        pump.set_threshold("pump", "percentile", q=300)


def test_times_of_rows_and_of_what_was_before_them_are_sent_along(pump: Client):
    rows, before, moments = NORMAL[:100].copy(), NORMAL[100:150], times(150)
    rows[60:, 1] += 8.0
    timed = {"timestamps": moments[50:], "context": before, "context_timestamps": moments[:50]}
    assert None not in pump.score("pump", COLUMNS, rows, **timed)["scores"]
    labelled = {"columns": COLUMNS, "rows": rows, "labels": [0] * 60 + [1] * 40}
    assert pump.set_threshold("pump", "f1", **labelled, **timed)["evidence"]["labelled_rows"] == 100
    with pytest.raises(InvalidInput, match="the context does not lie before the rows"):
        pump.score("pump", COLUMNS, rows, **timed | {"context_timestamps": moments[50:100]})


def test_newer_version_is_trained_chosen_and_taken_back(pump: Client):
    job = pump.wait(pump.retrain_detector("pump", rows=plant(600, seed=9), promote="manual"))
    assert (job.result["version"], job.result["promoted"]) == (2, False)
    assert pump.detector("pump")["version"] == 1
    assert pump.activate_detector("pump", 2)["version"] == 2
    assert pump.rollback_detector("pump")["version"] == 1


def test_rollback_without_another_version_is_a_conflict(pump: Client):
    with pytest.raises(Conflict):
        pump.rollback_detector("pump")


def test_health_drift_and_reports_are_read(pump: Client):
    pump.score("pump", COLUMNS, NORMAL[:300], times(300), "acme.pump")
    health = pump.health("acme.pump")
    assert health["health"] is not None
    assert health["health"] > 50
    assert pump.drift("pump")["detector"] == "pump"
    assert pump.report("pump")["columns"] == COLUMNS
    assert pump.report_page("pump").startswith("<!DOCTYPE html>")
    assert json.dumps(pump.latent("pump")["points"])
    with pytest.raises(NotFound):
        pump.health("acme.fan")
