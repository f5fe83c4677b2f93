"""Values of assets on their way to a dashboard: as gauges, and as a history that is read back as JSON."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.anomaly.adapters.detector_store import DetectorStore
from services.anomaly.adapters.figures import Figures
from shared.clock import SystemClock
from shared.http.metrics import ServiceMetrics
from shared.onnx.signing import TrustStore
from shared.redis_client import async_client
from shared.store import Store
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving

ASSET = "acme.osaka.p7"


def scoring(rows: int, first: datetime) -> dict[str, object]:
    times = [(first + timedelta(seconds=index)).isoformat() for index in range(rows)]
    return {"columns": COLUMNS, "rows": plant(rows, seed=1).tolist(), "timestamps": times}


async def eventually(client: httpx.AsyncClient, **query: str) -> httpx.Response:
    for _ in range(200):
        answer = await client.get("/timeseries", params=query)
        if answer.status_code != 200 or answer.json()["points"]:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError("no point was written")


async def test_scores_of_an_asset_are_shown_and_can_be_read_back(site: Site, trained: str):
    settings = site.settings.model_copy(update={"asset_metrics": True, "history_interval_s": 0.05})
    now = datetime.now(UTC)
    async with serving(site, settings) as client:
        answer = await client.post(
            f"/detectors/{trained}/score", params={"asset": ASSET}, json=scoring(40, now - timedelta(seconds=60))
        )
        assert answer.status_code == 200, answer.text
        newest = answer.json()["scores"][-1]
        shown = (await client.get("http://anomaly/metrics")).text
        (line,) = [line for line in shown.splitlines() if line.startswith("futago_anomaly_asset_score{")]
        assert f'detector="{trained}"' in line
        assert f'asset="{ASSET}"' in line
        assert float(line.split()[-1]) == pytest.approx(newest)
        found = await eventually(client, metric="score", detector=trained, asset=ASSET)
        assert found.json()["points"][-1]["value"] == pytest.approx(newest)
        assert datetime.fromisoformat(found.json()["points"][-1]["time"]) < now
        # What is not this asset's, or this detector's, is not in it; and a score has a detector.
        other = await client.get("/timeseries", params={"metric": "score", "detector": "none", "asset": ASSET})
        assert other.json() == {"metric": "score", "asset": ASSET, "points": []}
        unnamed = await client.get("/timeseries", params={"metric": "severity", "asset": ASSET})
        assert (unnamed.status_code, unnamed.json()["code"]) == (422, "anomaly.detector_unnamed")
        backwards = {
            "metric": "health",
            "asset": ASSET,
            "since": "2027-01-02T00:00:00Z",
            "until": "2027-01-01T00:00:00Z",
        }
        assert (await client.get("/timeseries", params=backwards)).json()["code"] == "history.span_invalid"


async def test_a_caller_reads_the_history_of_its_own_assets_alone(site: Site):
    settings = site.settings.model_copy(update={"history_interval_s": 60.0})
    query = {"metric": "health", "asset": ASSET}
    async with serving(site, settings) as client:
        limited = site.headers(assets=("acme.nagoya",))
        assert (await client.get("/timeseries", params=query, headers=limited)).status_code == 403
        allowed = site.headers(assets=("acme.osaka",))
        assert (await client.get("/timeseries", params=query, headers=allowed)).status_code == 200


async def test_a_service_that_keeps_no_history_says_so(client: httpx.AsyncClient):
    answer = await client.get("/timeseries", params={"metric": "health", "asset": ASSET})
    assert (answer.status_code, answer.json()["code"]) == (404, "history.off")


async def test_a_detector_that_is_deleted_loses_its_series(site: Site, client: httpx.AsyncClient, trained: str):
    metrics = ServiceMetrics("anomaly")
    store = DetectorStore(
        Store(site.settings.store_url),
        TrustStore(site.settings.trust_dir),
        cache_dir=site.settings.cache_dir,
        loaded_limit=1,
    )
    figures = Figures(
        metrics,
        site.engine,
        async_client(site.redis_url),
        store,
        clock=SystemClock(),
        asset_metrics=False,
        history_interval_s=0,
    )
    figures.scores.scored(trained, rows=40, anomalous=1, duration_s=0.01)
    await figures.detectors.refresh()
    shown = metrics.exposition().decode()
    assert f'futago_anomaly_rows_scored_total{{detector="{trained}"}} 40.0' in shown
    assert f'futago_anomaly_detector_info{{detector="{trained}",version="1"}} 1.0' in shown
    assert (await client.delete(f"/detectors/{trained}")).status_code == 204
    await figures.detectors.refresh()
    assert f'detector="{trained}"' not in metrics.exposition().decode()
