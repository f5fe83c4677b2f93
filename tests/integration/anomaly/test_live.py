"""Promises checked on live rows, drift, and limits that follow it, over HTTP and from any replica."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from pydantic import SecretStr
from redis import Redis

from shared.events import ALERTS
from shared.principal import Role
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving
from tests.integration.conftest import Valkey

START = datetime(2026, 4, 1, tzinfo=UTC)


def body(rows: np.ndarray, *, first: int = 0, **fields: object) -> dict[str, object]:
    times = [(START + timedelta(seconds=first + i)).isoformat() for i in range(len(rows))]
    return {"columns": COLUMNS, "rows": rows.tolist(), "timestamps": times, **fields}


def faulty(rows: int) -> np.ndarray:
    found = plant(rows, seed=8)
    found[:, 1] += 5.0
    return found


async def card(site: Site, role: Role = Role.VIEWER, assets: tuple[str, ...] = ()) -> dict[str, object]:
    """The card, from a process that has scored nothing."""
    async with serving(site) as client:
        answer = await client.get("/detectors/pump", headers=site.headers(role, assets=assets))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def trained(site: Site, client: httpx.AsyncClient) -> str:
    """A detector named `pump` whose limit no normal row passes."""
    training = {"columns": COLUMNS, "rows": plant(600).tolist()}
    wish = {"name": "pump", "training": training, "threshold": {"method": "margin", "factor": 6}}
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    return "pump"


async def test_detector_that_scored_nothing_has_met_nothing(site: Site, trained: str):
    assert (await card(site))["live"] is None


async def test_rows_of_streams_and_calls_are_counted_once_each(site: Site, trained: str):
    rows = plant(400, seed=5)
    for first in (0, 100):
        async with serving(site) as client:
            for _ in range(2):
                sent = body(rows[first : first + 100], first=first)
                await client.post("/detectors/pump/stream/acme.pump1", json=sent)
            # The newest rows again, as callers without a stream send them.
            for upto in (60, 80, 100):
                await client.post("/detectors/pump/score?asset=acme.pump2", json=body(rows[:upto], first=first))
    live = (await card(site))["live"]
    warm_up = (await card(site))["warmup_rows"]
    by_asset = {count["asset"]: count["rows"] for count in live["assets"]}
    assert by_asset == {"acme.pump1": 200 - warm_up, "acme.pump2": 2 * (100 - warm_up)}
    assert live["rows"] == sum(by_asset.values())
    assert (live["alarms"], live["episodes"], live["message"]) == (0, 0, None)
    assert live["verdict"] != "more_alarms"
    assert 0.0 < live["expected"] < live["upper"]


async def test_more_alarms_than_promised_are_said_so_and_told_once(site: Site, trained: str):
    async with serving(site) as client:
        for first in range(0, 1500, 500):
            sent = body(faulty(500), first=first)
            await client.post("/detectors/pump/stream/acme.pump1", json=sent)
        metrics_before = (await client.get("http://anomaly/metrics")).text
    assert "futago_anomaly_live_more_alarms" in metrics_before
    async with serving(site) as client:
        await client.post("/detectors/pump/stream/acme.pump1", json=body(faulty(500), first=1500))
    live = (await card(site))["live"]
    assert (live["verdict"], live["episodes"]) == ("more_alarms", 1)
    assert live["message"] == "more alarms than the card promised: a fault, or the limit is too low"
    with Redis.from_url(site.redis_url) as redis:
        alerts = [json.loads(fields[b"payload"]) for _, fields in redis.xrange(ALERTS)]
    assert [alert["asset"] for alert in alerts if alert["kind"] == "more_alarms_than_promised"] == ["acme.pump1"]


async def test_new_limit_is_counted_anew(site: Site, trained: str):
    async with serving(site) as client:
        await client.post("/detectors/pump/score?asset=a", json=body(plant(200)))
    async with serving(site) as client:
        await client.put("/detectors/pump/threshold", json={"method": "value", "value": 7.5})
    assert (await card(site))["live"] is None


async def test_caller_limited_to_assets_learns_of_no_other(site: Site, trained: str):
    async with serving(site) as client:
        for asset in ("acme.pump1", "acme.pump2"):
            await client.post(f"/detectors/pump/score?asset={asset}", json=body(plant(200)))
    live = (await card(site, assets=("acme.pump1",)))["live"]
    assert [count["asset"] for count in live["assets"]] == ["acme.pump1"]
    assert live["rows"] == live["assets"][0]["rows"]


async def test_card_promises_alarms_a_day_where_times_are_known(site: Site, client: httpx.AsyncClient, trained: str):
    without = (await client.get("/detectors/pump")).json()["threshold"]["evidence"]
    assert without["false_alarms_per_day"] is None
    assert without["false_alarms_per_1000_rows"]["upper"] > without["false_alarms_per_1000_rows"]["expected"] > 0
    training = body(plant(600))
    job = (await client.post("/detectors", json={"name": "timed", "training": training})).json()
    site.train_now(job["id"])
    evidence = (await client.get("/detectors/timed")).json()["threshold"]["evidence"]
    assert evidence["false_alarms_per_day"]["rows_per_day"] == pytest.approx(86_400.0)
    later = (await client.put("/detectors/timed/threshold", json={"method": "value", "value": 0.5})).json()["evidence"]
    assert later["false_alarms_per_day"]["expected"] > evidence["false_alarms_per_day"]["expected"]


async def test_drift_names_the_sensor_that_moved_and_the_asset_where_it_did(site: Site, trained: str):
    moved = plant(2000, seed=6)
    moved[:, 2] += 4.0
    for i in range(2):
        async with serving(site) as client:
            part = slice(1000 * i, 1000 * (i + 1))
            await client.post("/detectors/pump/stream/acme.pump1", json=body(moved[part], first=1000 * i))
            await client.post("/detectors/pump/stream/acme.pump2", json=body(plant(1000, seed=i), first=1000 * i))
    async with serving(site) as client:
        pumps = [(await client.get(f"/detectors/pump/drift?asset=acme.pump{i}")).json() for i in (1, 2, 3)]
        every = (await client.get("/detectors/pump/drift")).json()
    verdicts = [{sensor["name"]: sensor["verdict"] for sensor in pump["sensors"]} for pump in pumps]
    assert verdicts[0]["temperature"] == "changed"
    assert verdicts[0]["flow"] == "stable"
    assert set(verdicts[1].values()) == {"stable"}
    assert (pumps[2]["verdict"], pumps[2]["rows"], pumps[2]["sensors"]) == ("unknown", 0, [])
    assert [pump["rows"] for pump in (*pumps, every)] == [2000, 2000, 0, 4000]
    assert (pumps[0]["since"], pumps[0]["until"]) == ("2026-04-01T00:00:00Z", "2026-04-01T00:33:19Z")


@pytest.mark.parametrize(
    ("path", "assets", "status"),
    [
        ("/detectors/none/drift", (), 404),
        ("/detectors/pump/drift", (), 200),
        ("/detectors/pump/drift", ("acme",), 403),
        ("/detectors/pump/drift?asset=other", ("acme",), 403),
        ("/detectors/pump/drift?asset=acme.pump1", ("acme",), 200),
    ],
)
async def test_drift_is_told_to_those_who_may_know(
    site: Site, client: httpx.AsyncClient, trained: str, path: str, assets: tuple[str, ...], status: int
):
    assert (await client.get(path, headers=site.headers(Role.VIEWER, assets=assets))).status_code == status


async def test_rows_with_a_wrong_clock_neither_end_the_counting_nor_hide_later_rows(site: Site, trained: str):
    last = datetime.max.replace(tzinfo=UTC)
    times = [(last - timedelta(seconds=i)).isoformat() for i in reversed(range(50))]
    for _ in range(2):
        async with serving(site) as client:
            wrong = {"columns": COLUMNS, "rows": plant(50).tolist(), "timestamps": times}
            answer = await client.post("/detectors/pump/score?asset=acme.pump1", json=wrong)
            assert answer.status_code == 200, answer.text
            # A day ahead is a matter of zones; whatever else the wrong clock did, these are new.
            soon = datetime.now(UTC) + timedelta(days=2)
            later = [(soon + timedelta(seconds=i)).isoformat() for i in range(50)]
            await client.post("/detectors/pump/score?asset=acme.pump1", json={**body(plant(50)), "timestamps": later})
    async with serving(site) as client:
        answer = await client.get("/detectors/pump/drift?asset=acme.pump1")
    assert (answer.status_code, answer.json()["rows"]) == (200, 200)
    assert answer.json()["until"] == "9999-12-31T23:59:59.999999Z"
    assert (await card(site))["live"]["rows"] > 0


async def test_counts_wait_while_redis_is_away_and_scores_do_not(site: Site, trained: str, own_valkey: Valkey):
    there = site.settings.model_copy(update={"redis_url": SecretStr(own_valkey.url), "live_interval_s": 0.05})
    async with serving(site, there) as client:
        own_valkey.stop()
        assert (await client.post("/detectors/pump/score?asset=a", json=body(plant(300)))).status_code == 200
        away = await client.get("/detectors/pump/drift?asset=a")
        assert (away.status_code, away.json()["code"]) == (503, "anomaly.streams_unavailable")
        own_valkey.start()
    async with serving(site, there) as client:
        assert (await client.get("/detectors/pump/drift?asset=a")).json()["rows"] == 300


async def test_limit_that_adapts_follows_the_stream_and_no_other_call(client: httpx.AsyncClient, trained: str):
    wish = {"method": "margin", "factor": 6, "adaptive": {"horizon_rows": 500, "max_factor": 2}}
    threshold = (await client.put("/detectors/pump/threshold", json=wish)).json()
    assert threshold["rule"]["adaptive"] == {"horizon_rows": 500, "max_factor": 2.0}
    rows = plant(1200, seed=7)
    # Everything swings a little wider than in training.
    wide = [30.0, 6.0, 350.0] + 1.25 * (rows - [30.0, 6.0, 350.0])
    answers = [
        (await client.post("/detectors/pump/stream/a", json=body(wide[i : i + 100], first=i))).json()
        for i in range(0, 1200, 100)
    ]
    limits = [answer["threshold"] for answer in answers]
    assert {answer["calibrated_threshold"] for answer in answers} == {threshold["value"]}
    assert limits[0] != limits[-1]
    assert threshold["evidence"]["adaptive"]["lowest"] <= min(limits)
    assert max(limits) <= threshold["evidence"]["adaptive"]["highest"]
    again = (await client.post("/detectors/pump/stream/a", json=body(wide[1100:], first=1100))).json()
    assert (again["repeated"], again["threshold"]) == (100, limits[-1])
    scored = (await client.post("/detectors/pump/score?asset=a", json=body(wide))).json()
    assert scored["threshold"] == threshold["value"]


async def test_adaptive_limit_can_be_asked_for_when_training(site: Site, client: httpx.AsyncClient):
    wish = {
        "name": "pump",
        "training": {"columns": COLUMNS, "rows": plant(600).tolist()},
        "threshold": {"method": "margin", "adaptive": True},
    }
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    rule = (await client.get("/detectors/pump")).json()["threshold"]["rule"]
    assert rule["adaptive"] == {"horizon_rows": 100_000, "max_factor": 2.0}


async def test_adaptive_limit_and_labels_do_not_go_together(client: httpx.AsyncClient, trained: str):
    answer = await client.put("/detectors/pump/threshold", json={"method": "f1", "adaptive": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.threshold_refused")
