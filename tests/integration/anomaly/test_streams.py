"""Streams over HTTP: two replicas on one Redis, retries, order, rights, and what happens while Redis is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import numpy as np
import pytest
from pydantic import SecretStr
from redis import Redis

from shared.events import ALERTS
from shared.principal import Role
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving
from tests.integration.conftest import Valkey

NORMAL = plant(120, seed=3)
FAULTY = plant(360, seed=4)
FAULTY[60:75, 1] += 5.0
START = datetime(2026, 4, 1, tzinfo=UTC)
# A busy machine may let Redis answer later than the service waits for it.
PUSH_ATTEMPTS, PUSH_PAUSE_S = 10, 0.2


def body(rows: np.ndarray, *, first: int = 0, **fields: object) -> dict[str, object]:
    times = [(START + timedelta(seconds=first + i)).isoformat() for i in range(len(rows))]
    return {"columns": COLUMNS, "rows": rows.tolist(), "timestamps": times, **fields}


async def push_once(
    client: httpx.AsyncClient, rows: np.ndarray, *, first: int, asset: str = "acme.pump1"
) -> httpx.Response:
    return await client.post(f"/detectors/pump/stream/{asset}", json=body(rows, first=first))


async def push(client: httpx.AsyncClient, rows: np.ndarray, *, first: int, asset: str = "acme.pump1") -> httpx.Response:
    """Send rows as a client does: a 503 is met by sending the same ones again."""
    for _ in range(PUSH_ATTEMPTS):
        answer = await push_once(client, rows, first=first, asset=asset)
        if answer.status_code != 503:
            return answer
        assert answer.headers["retry-after"]
        await asyncio.sleep(PUSH_PAUSE_S)
    raise AssertionError(f"{PUSH_ATTEMPTS} times 503: {answer.text}")


def alerts(site: Site) -> list[dict[str, object]]:
    with Redis.from_url(site.redis_url) as redis:
        return [json.loads(fields[b"payload"]) for _, fields in redis.xrange(ALERTS)]


@pytest.fixture
async def trained(site: Site, client: httpx.AsyncClient) -> str:
    """A detector named `pump` whose limit no normal row passes."""
    training = {"columns": COLUMNS, "rows": plant(600).tolist()}
    wish = {"name": "pump", "training": training, "threshold": {"method": "margin", "factor": 6}}
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    return "pump"


@pytest.fixture
async def other(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A second replica."""
    async with serving(site) as client:
        yield client


async def test_rows_one_by_one_on_two_replicas_get_the_scores_of_the_batch(
    client: httpx.AsyncClient, other: httpx.AsyncClient, trained: str
):
    rows = FAULTY[:120]
    batch = (await client.post(f"/detectors/{trained}/score", json=body(rows))).json()
    streamed = [(await push((client, other)[i % 2], rows[i : i + 1], first=i)).json() for i in range(len(rows))]
    scores = [one["scores"][0] for one in streamed]
    np.testing.assert_allclose(np.array(scores, float), np.array(batch["scores"], float), rtol=1e-9)
    assert None in scores
    assert [one["labels"][0] for one in streamed] == batch["labels"]
    assert {one["threshold"] for one in streamed} == {batch["threshold"]}
    assert [one["contributions"][0]["score"] for one in streamed if one["labels"][0]] == [
        score for score, label in zip(scores, batch["labels"], strict=True) if label
    ]


async def test_batch_sent_again_is_answered_again_and_enters_once(
    client: httpx.AsyncClient, other: httpx.AsyncClient, trained: str
):
    first = (await push(client, NORMAL[:50], first=0)).json()
    again = (await push(other, NORMAL[:50], first=0)).json()
    assert (first.pop("repeated"), again.pop("repeated")) == (0, 50)
    assert again == first
    # Had the rows entered twice, the means would reach back over them.
    after = (await push(client, NORMAL[50:], first=50)).json()
    whole = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    assert after["scores"] == pytest.approx(whole["scores"][50:], rel=1e-9)


async def test_newest_rows_may_overlap_those_that_were_sent(client: httpx.AsyncClient, trained: str):
    whole = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    await push(client, NORMAL[:60], first=0)
    answer = (await push(client, NORMAL[50:70], first=50)).json()
    assert answer["repeated"] == 10
    assert answer["scores"] == pytest.approx(whole["scores"][50:70], rel=1e-9)


async def test_rows_out_of_order_or_changed_are_refused_one_by_one_and_nothing_is_kept(
    client: httpx.AsyncClient, trained: str
):
    for first in range(0, 120, 40):
        await push(client, NORMAL[first : first + 40], first=first)
    between = body(NORMAL[:3], first=117)
    between["timestamps"][1] = "2026-04-01T00:01:57.5Z"
    answer = await client.post("/detectors/pump/stream/acme.pump1", json=between)
    assert (answer.status_code, answer.json()["code"]) == (409, "anomaly.stream_out_of_order")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/rows/0", "/timestamps/1", "/rows/2"]
    long_ago = await push(client, NORMAL[:2], first=0)
    assert (long_ago.status_code, len(long_ago.json()["errors"])) == (409, 2)
    assert (await push(client, NORMAL[119:], first=119)).json()["repeated"] == 1


async def test_calls_at_once_for_one_asset_lose_nothing(
    client: httpx.AsyncClient, other: httpx.AsyncClient, trained: str
):
    await push(client, NORMAL[:40], first=0)
    answers = await asyncio.gather(
        *(push((client, other)[i % 2], NORMAL[40:60], first=40) for i in range(6)),
        *(push(client, NORMAL[:40], first=0, asset=f"acme.pump{i}") for i in range(2, 6)),
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["repeated"] for answer in answers[:6]) == [0, 20, 20, 20, 20, 20]
    assert len({json.dumps(answer.json()["scores"]) for answer in answers[:6]}) == 1


async def test_one_fault_is_one_alert_however_it_is_cut_into_calls(
    site: Site, client: httpx.AsyncClient, other: httpx.AsyncClient, trained: str
):
    cuts = [0, 55, *range(56, 80), *range(110, 361, 50)]
    for first, end in pairwise(cuts):
        for replica in (client, other):
            await push(replica, FAULTY[first:end], first=first)
    begun, *worse, over = alerts(site)
    assert {alert["kind"] for alert in (begun, *worse)} == {"anomalous_rows"}
    assert {alert["dedup_key"] for alert in worse} <= {begun["dedup_key"]}
    assert [alert["severity"] for alert in worse] in ([], ["critical"])
    assert (over["kind"], over["severity"]) == ("anomaly_over", "info")
    assert over["facts"]["started_at"] == begun["facts"]["started_at"]
    assert (begun["asset"], begun["facts"]["ended_at"]) == ("acme.pump1", None)


async def test_alert_of_a_stream_has_the_key_of_the_same_episode_in_a_batch(
    site: Site, client: httpx.AsyncClient, trained: str
):
    await client.post(f"/detectors/{trained}/score?asset=acme.pump1", json=body(FAULTY))
    await push(client, FAULTY[:100], first=0)
    keys = {alert["dedup_key"] for alert in alerts(site)}
    assert len(keys) == 1


async def test_new_version_goes_on_from_the_rows_that_were_kept(site: Site, client: httpx.AsyncClient, trained: str):
    await push(client, NORMAL[:60], first=0)
    wish = {"name": "pump", "training": {"columns": COLUMNS, "rows": plant(700, seed=9).tolist()}}
    site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    answer = (await push(client, NORMAL[60:], first=60)).json()
    whole = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    assert answer["version"] == whole["version"] == "2"
    assert answer["scores"] == pytest.approx(whole["scores"][60:], rel=1e-9)


async def test_restart_forgets_what_was_kept(client: httpx.AsyncClient, trained: str):
    await push(client, NORMAL, first=1000)
    assert (await push(client, NORMAL[:1], first=0)).status_code == 409
    begun = await client.post("/detectors/pump/stream/acme.pump1?restart=true", json=body(NORMAL))
    assert begun.json()["scores"][0] is None


async def test_while_redis_is_away_nothing_is_lost(site: Site, trained: str, own_valkey: Valkey):
    there = site.settings.model_copy(update={"redis_url": SecretStr(own_valkey.url)})
    async with serving(site, there) as client:
        await push(client, NORMAL[:50], first=0)
        own_valkey.stop()
        answer = await push_once(client, NORMAL[50:60], first=50)
        assert (answer.status_code, answer.json()["code"]) == (503, "anomaly.streams_unavailable")
        assert answer.headers["retry-after"]
        own_valkey.start()
        again = (await push(client, NORMAL[50:60], first=50)).json()
        whole = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    assert again["repeated"] == 0
    assert again["scores"] == pytest.approx(whole["scores"][50:60], rel=1e-9)


async def test_stream_that_brings_nothing_for_long_is_forgotten(site: Site, trained: str):
    short = site.settings.model_copy(update={"stream_keep_s": 600.0})
    async with serving(site, short) as client:
        await push(client, NORMAL, first=0)
    with Redis.from_url(site.redis_url) as redis:
        (key,) = redis.keys("futago:anomaly:stream:*")
        assert 590 <= redis.ttl(key) <= 600
        assert redis.strlen(key) < 40_000


async def test_rows_that_cannot_be_used_are_a_422(client: httpx.AsyncClient, trained: str):
    changes: tuple[dict[str, object], ...] = (
        {"timestamps": None},
        {"timestamps": []},
        {"timestamps": ["2026-04-01T00:00:00Z"] * 120},
        {"timestamps": [f"2999-04-01T00:{i // 60:02}:{i % 60:02}Z" for i in range(120)]},
        {"columns": ["flow"]},
        {"rows": [[1.0]]},
        {"context": []},
    )
    for change in changes:
        answer = await client.post("/detectors/pump/stream/acme.pump1", json={**body(NORMAL), **change})
        assert (answer.status_code, change) == (422, change)


async def test_columns_left_out_are_the_detectors_own(client: httpx.AsyncClient, trained: str):
    named = (await push(client, NORMAL, first=0, asset="a")).json()["scores"]
    unnamed = {name: value for name, value in body(NORMAL).items() if name != "columns"}
    assert (await client.post("/detectors/pump/stream/b", json=unnamed)).json()["scores"] == named


async def test_detector_that_looks_back_too_far_has_no_streams(site: Site, trained: str):
    small = site.settings.model_copy(update={"stream_limit_values": 10})
    async with serving(site, small) as client:
        answer = await push(client, NORMAL, first=0)
        assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.no_stream")
        assert (
            'futago_anomaly_stream_refused_total{code="anomaly.no_stream"} 1.0'
            in (await client.get("http://anomaly/metrics")).text
        )


async def test_missing_detector_and_bad_asset_are_told_apart(client: httpx.AsyncClient, trained: str):
    assert (await client.post("/detectors/none/stream/a", json=body(NORMAL))).status_code == 404
    assert (await client.post("/detectors/pump/stream/a..b", json=body(NORMAL))).status_code == 422


@pytest.mark.parametrize(("asset", "status"), [("acme.pump1", 200), ("acme.pump1.inlet", 200), ("other", 403)])
async def test_caller_limited_to_assets_streams_those_only(
    site: Site, client: httpx.AsyncClient, trained: str, asset: str, status: int
):
    headers = site.headers(Role.OPERATOR, assets=("acme.pump1",))
    answer = await client.post(f"/detectors/pump/stream/{asset}", json=body(NORMAL), headers=headers)
    assert answer.status_code == status


async def test_viewer_streams_nothing(site: Site, client: httpx.AsyncClient, trained: str):
    answer = await client.post("/detectors/pump/stream/a", json=body(NORMAL), headers=site.headers(Role.VIEWER))
    assert answer.status_code == 403


async def test_metrics_count_new_and_repeated_rows(client: httpx.AsyncClient, trained: str):
    for _ in range(2):
        await push(client, NORMAL, first=0)
    metrics = (await client.get("http://anomaly/metrics")).text
    assert 'futago_anomaly_stream_rows_total{detector="pump"} 120.0' in metrics
    assert 'futago_anomaly_stream_repeated_rows_total{detector="pump"} 120.0' in metrics
    assert 'futago_anomaly_stream_lag_seconds{detector="pump"}' in metrics
    # Rows of a time long past.
    assert 'futago_anomaly_stream_late_calls_total{detector="pump"} 2.0' in metrics
