"""Predictions about assets on their way to a dashboard: as gauges, and as a history that is read back as JSON."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
ASSET = "acme.osaka.r101"


async def metrics_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


async def test_predictions_about_an_asset_are_shown_and_can_be_read_back(bench: Bench, clock: Any):
    async with bench.twin(asset_metrics=True, history_interval_s=0.05) as app, bench.client(app) as client:
        assert (await publish(client, bench.archive())).status_code == 201
        answer = (await client.post(f"{API}/predict", params={"asset": ASSET, "model": "yield"}, json=GOOD)).json()
        label = f'{{asset="{ASSET}",model="yield"}}'
        shown = await metrics_of(client)
        assert f"futago_twin_asset_prediction{label} {answer['prediction']}" in shown
        assert f"futago_twin_asset_prediction_lower{label} {answer['prediction_interval']['lower']}" in shown
        assert 'futago_twin_applicability_total{model="yield",state="in",version="1"}' in shown
        assert 'futago_twin_model_info{model="yield",version="1"} 1.0' in shown
        assert "futago_redis_command_seconds_count" in shown
        query = {"metric": "prediction", "model": "yield", "asset": ASSET}
        query["until"] = (clock.now() + timedelta(minutes=1)).isoformat()
        for _ in range(200):
            found = await client.get(f"{API}/timeseries", params=query)
            if found.json()["points"]:
                break
            await asyncio.sleep(0.02)
        assert [point["value"] for point in found.json()["points"]] == [answer["prediction"]]
        limited = bench.client(app, assets=("acme.nagoya",))
        async with limited:
            assert (await limited.get(f"{API}/timeseries", params=query)).status_code == 403


async def test_a_version_that_is_withdrawn_loses_its_series(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        await client.post(f"{API}/predict", params={"asset": ASSET, "model": "yield"}, json=GOOD)
        assert 'model="yield"' in await metrics_of(client)
        assert (await client.delete(f"{API}/models/yield/versions/1")).status_code == 204
        assert 'model="yield"' not in await metrics_of(client)
        # What nobody asked for is not shown.
        assert "futago_twin_asset_prediction" not in await metrics_of(client)
        off = await client.get(f"{API}/timeseries", params={"metric": "upper", "model": "yield", "asset": ASSET})
        assert (off.status_code, off.json()["code"]) == (404, "history.off")
