"""Scores, limits, alerts and rights, over HTTP."""

import json

import httpx
import numpy as np
import pytest
from redis import Redis

from shared.events import ALERTS
from shared.principal import Role
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving

NORMAL = plant(100, seed=3)
FAULTY = NORMAL.copy()
FAULTY[60:, 1] += 5.0


def body(rows: np.ndarray, **fields: object) -> dict[str, object]:
    return {"columns": COLUMNS, "rows": rows.tolist(), **fields}


async def warmup_rows(client: httpx.AsyncClient, name: str) -> int:
    """Rows at the beginning of a call that have no score."""
    rows = (await client.get(f"/detectors/{name}")).json()["warmup_rows"]
    assert 0 < rows < 50
    return int(rows)


def times(rows: int) -> list[str]:
    return [f"2026-04-01T00:{i // 60:02}:{i % 60:02}Z" for i in range(rows)]


async def test_normal_rows_are_scored_and_left_alone(client: httpx.AsyncClient, trained: str):
    answer = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    first = await warmup_rows(client, trained)
    assert answer["scores"][:first] == [None] * first
    assert all(score <= answer["threshold"] for score in answer["scores"][first:])
    assert answer["labels"] == [0] * 100
    assert (answer["episodes"], answer["contributions"]) == ([], [])


async def test_fault_is_one_episode_with_its_sensor_in_front(client: httpx.AsyncClient, trained: str):
    answer = (await client.post(f"/detectors/{trained}/score", json=body(FAULTY, timestamps=times(100)))).json()
    (episode,) = answer["episodes"]
    assert 60 <= episode["start"] < 70
    assert (episode["end"], episode["ended_at"]) == (99, "2026-04-01T00:01:39Z")
    assert next(iter(episode["leading_sensors"])) == "pressure"
    for part in answer["contributions"]:
        assert part["score"] == answer["scores"][part["row"]]
        assert sum(part["sensors"].values()) == pytest.approx(part["score"])
        assert 0.5 <= part["severity"] <= 1.0
    assert [part["row"] for part in answer["contributions"]] == [i for i, label in enumerate(answer["labels"]) if label]


async def test_times_are_told_in_utc(client: httpx.AsyncClient, trained: str):
    local = [time.replace("Z", "+09:00") for time in times(100)]
    answer = (await client.post(f"/detectors/{trained}/score", json=body(FAULTY, timestamps=local))).json()
    assert answer["episodes"][0]["ended_at"] == "2026-03-31T15:01:39Z"


async def test_context_gives_the_first_row_a_score(client: httpx.AsyncClient, trained: str):
    answer = await client.post(f"/detectors/{trained}/score", json=body(NORMAL[50:], context=NORMAL[:50].tolist()))
    assert None not in answer.json()["scores"]


async def test_columns_may_come_in_any_order(client: httpx.AsyncClient, trained: str):
    own = await client.post(f"/detectors/{trained}/score", json=body(NORMAL))
    turned = {"columns": COLUMNS[::-1], "rows": NORMAL[:, ::-1].tolist()}
    assert (await client.post(f"/detectors/{trained}/score", json=turned)).json()["scores"] == own.json()["scores"]


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"columns": ["flow", "pressure"]}, ["/columns"]),
        ({"columns": [*COLUMNS[:2], "level"]}, ["/columns/2", "/columns"]),
        ({"rows": [[1.0, 2.0, 3.0], [1.0]]}, ["/rows/1"]),
        ({"rows": [[1.0, 2.0, 1e300]]}, ["/rows/0/2"]),
        ({"context": [[1.0]]}, ["/context/0"]),
        ({"timestamps": times(99)}, ["/timestamps"]),
        ({"timestamps": ["0001-01-01T00:00:00+05:00", *times(99)]}, ["/timestamps/0"]),
        ({"timestamps": ["2026-04-01T00:00:00Z"] * 100}, [f"/timestamps/{i}" for i in range(1, 21)]),
    ],
)
async def test_rows_that_cannot_be_used_are_a_422_with_every_fault(
    client: httpx.AsyncClient, trained: str, change: dict[str, object], pointers: list[str]
):
    answer = await client.post(f"/detectors/{trained}/score", json={**body(NORMAL), **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.rows_refused")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "1" + "0" * 400, "true", '"1.5"', "{}"])
async def test_what_is_no_number_is_a_422(client: httpx.AsyncClient, trained: str, value: str):
    text = f'{{"columns": {json.dumps(COLUMNS)}, "rows": [[1.0, {value}, 2.0]]}}'
    answer = await client.post(
        f"/detectors/{trained}/score", content=text, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422


async def test_no_rows_are_no_scores(client: httpx.AsyncClient, trained: str):
    answer = await client.post(f"/detectors/{trained}/score", json={"columns": COLUMNS, "rows": []})
    assert (answer.status_code, answer.json()["scores"]) == (200, [])


async def test_more_rows_than_a_job_takes_are_a_413(site: Site, trained: str):
    async with serving(site, site.settings.model_copy(update={"upload_limit_rows": 2000})) as client:
        answer = await client.post(f"/detectors/{trained}/score", json=body(plant(2001)))
    assert (answer.status_code, answer.json()["code"]) == (413, "anomaly.too_many_rows")


async def test_detector_that_is_not_there_is_a_404(client: httpx.AsyncClient):
    answers = [
        await client.post("/detectors/none/score", json=body(NORMAL)),
        await client.get("/detectors/none"),
        await client.delete("/detectors/none"),
        await client.put("/detectors/none/threshold", json={"method": "margin"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "anomaly.detector_missing")
    ] * 4


async def test_each_episode_raises_one_alert_that_knows_itself_again(site: Site, trained: str):
    async with serving(site) as client:
        for _ in range(2):
            await client.post(f"/detectors/{trained}/score?asset=acme.pump1", json=body(FAULTY, timestamps=times(100)))
    with Redis.from_url(site.redis_url) as redis:
        alerts = [json.loads(fields[b"payload"]) for _, fields in redis.xrange(ALERTS)]
    assert len(alerts) == 2
    assert alerts[0]["id"] != alerts[1]["id"]
    assert alerts[0]["dedup_key"] == alerts[1]["dedup_key"]
    assert alerts[0]["asset"] == "acme.pump1"
    assert alerts[0]["subject"] == trained
    assert "pressure" in alerts[0]["message"]


async def test_scores_do_not_need_redis(site: Site, trained: str):
    away = site.settings.model_copy(update={"redis_url": type(site.settings.redis_url)("redis://127.0.0.1:9/0")})
    async with serving(site, away) as client:
        assert (await client.post(f"/detectors/{trained}/score", json=body(FAULTY))).status_code == 200
        wish = {"name": "other", "training": {"columns": COLUMNS, "rows": plant(600).tolist()}}
        refused = await client.post("/detectors", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (503, "job.queue_unavailable")
    assert refused.headers["retry-after"]


async def test_bundle_that_was_changed_in_the_store_is_not_served(site: Site, trained: str):
    (archive,) = [path for path in (site.folder / "store" / "detectors").rglob("*") if path.is_file()]
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    async with serving(site) as client:
        answer = await client.post(f"/detectors/{trained}/score", json=body(NORMAL))
    assert (answer.status_code, answer.json()["code"]) == (503, "store.damaged")


async def test_bundle_of_a_key_that_is_no_longer_trusted_is_not_served(site: Site, trained: str):
    for path in site.settings.trust_dir.glob("*.pem"):
        path.unlink()
    async with serving(site) as client:
        answer = await client.post(f"/detectors/{trained}/score", json=body(NORMAL))
    assert answer.json()["code"] == "bundle.untrusted_key"


@pytest.mark.parametrize(
    ("rule", "value"), [({"method": "value", "value": 7.5}, 7.5), ({"method": "margin", "factor": 1}, None)]
)
async def test_new_limit_is_in_force_for_the_next_call(
    client: httpx.AsyncClient, trained: str, rule: dict[str, object], value: float | None
):
    answer = await client.put(f"/detectors/{trained}/threshold", json=rule)
    assert answer.status_code == 200
    assert value is None or answer.json()["value"] == value
    scored = (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).json()
    assert scored["threshold"] == answer.json()["value"]
    card = (await client.get(f"/detectors/{trained}")).json()
    assert card["threshold"]["value"] == answer.json()["value"]
    assert (card["threshold"]["set_by"], card["threshold"]["rule"]["method"]) == ("ada", rule["method"])


@pytest.mark.parametrize("method", ["roc", "f1", "recall"])
async def test_labelled_method_finds_the_fault_with_the_limit_it_sets(
    client: httpx.AsyncClient, trained: str, method: str
):
    labels = [0] * 60 + [1] * 40
    answer = await client.put(
        f"/detectors/{trained}/threshold", json={"method": method, **body(FAULTY), "labels": labels}
    )
    assert answer.status_code == 200
    assert answer.json()["evidence"]["recall"] >= 0.9
    assert answer.json()["evidence"]["labelled_rows"] == 100 - await warmup_rows(client, trained)


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        ({"method": "f1"}, "anomaly.threshold_refused"),
        ({"method": "f1", **body(FAULTY)}, "anomaly.threshold_refused"),
        ({"method": "f1", **body(FAULTY), "labels": [0, 1]}, "anomaly.threshold_refused"),
        ({"method": "f1", **body(FAULTY), "labels": [0] * 100}, "anomaly.threshold_refused"),
        ({"method": "f1", **body(FAULTY), "labels": [2] * 100}, "request.invalid"),
        ({"method": "margin", **body(FAULTY), "labels": [0] * 100}, "anomaly.threshold_refused"),
        ({"method": "magic"}, "anomaly.threshold_refused"),
        ({"method": "percentile", "q": 99.99}, "anomaly.too_few_rows"),
        ({"method": "sigma", "k": "3"}, "anomaly.threshold_refused"),
        ({"method": "sigma", "k": 10**400}, "anomaly.threshold_refused"),
        ({"method": "fpr", "max_fpr": 1e-306}, "anomaly.threshold_refused"),
        ({}, "request.invalid"),
    ],
)
async def test_limit_that_cannot_be_set_is_a_422(
    client: httpx.AsyncClient, trained: str, request_body: dict[str, object], code: str
):
    answer = await client.put(f"/detectors/{trained}/threshold", json=request_body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_forgotten_detector_is_gone_with_its_files(site: Site, client: httpx.AsyncClient, trained: str):
    await client.post(f"/detectors/{trained}/score", json=body(NORMAL))
    assert (await client.delete(f"/detectors/{trained}")).status_code == 204
    assert (await client.post(f"/detectors/{trained}/score", json=body(NORMAL))).status_code == 404
    assert [path for path in (site.folder / "store" / "detectors").rglob("*") if path.is_file()] == []


async def test_detectors_are_listed_a_page_at_a_time(site: Site, client: httpx.AsyncClient):
    for name in ("c", "a", "b"):
        wish = {"name": name, "training": {"columns": COLUMNS, "rows": plant(600).tolist()}}
        site.train_now((await client.post("/detectors", json=wish)).json()["id"])
    first = (await client.get("/detectors", params={"limit": 2})).json()
    rest = (await client.get("/detectors", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None
    assert (await client.get("/detectors", params={"cursor": "%%%"})).status_code == 422


@pytest.mark.parametrize(
    ("role", "method", "path", "allowed"),
    [
        (Role.VIEWER, "GET", "/detectors", True),
        (Role.VIEWER, "POST", "/detectors/none/score", False),
        (Role.OPERATOR, "POST", "/detectors/none/score", True),
        (Role.OPERATOR, "POST", "/detectors", False),
        (Role.OPERATOR, "PUT", "/detectors/none/threshold", False),
        (Role.OPERATOR, "DELETE", "/detectors/none", False),
        (Role.OPERATOR, "POST", "/uploads", False),
        (Role.ENGINEER, "DELETE", "/detectors/none", True),
    ],
)
async def test_role_decides_what_a_caller_may_do(
    site: Site, client: httpx.AsyncClient, role: Role, method: str, path: str, allowed: bool
):
    bodies = {"score": body(NORMAL), "threshold": {"method": "margin"}, "detectors": {"name": "x", "training": {}}}
    sent = bodies.get(path.rpartition("/")[2]) if method in {"POST", "PUT"} else None
    answer = await client.request(method, path, json=sent, headers=site.headers(role))
    assert (answer.status_code != 403) == allowed


async def test_caller_without_an_identity_is_refused(client: httpx.AsyncClient):
    client.headers.clear()
    assert (await client.get("/detectors")).status_code == 401


@pytest.mark.parametrize(("asset", "status"), [("acme.pump1", 200), ("acme", 403), ("other", 403), (None, 403)])
async def test_caller_limited_to_assets_scores_those_only(
    site: Site, client: httpx.AsyncClient, trained: str, asset: str | None, status: int
):
    params = {} if asset is None else {"asset": asset}
    headers = site.headers(Role.OPERATOR, assets=("acme.pump1",))
    answer = await client.post(f"/detectors/{trained}/score", json=body(NORMAL), params=params, headers=headers)
    assert answer.status_code == status


async def test_metrics_count_rows_and_anomalies(site: Site, client: httpx.AsyncClient, trained: str):
    scored = (await client.post(f"/detectors/{trained}/score", json=body(FAULTY))).json()
    metrics = (await client.get("http://anomaly/metrics")).text
    assert f'futago_anomaly_rows_scored_total{{detector="{trained}"}} 100.0' in metrics
    assert f'futago_anomaly_anomalous_rows_total{{detector="{trained}"}} {float(sum(scored["labels"]))}' in metrics
    assert "futago_anomaly_detectors_loaded 1.0" in metrics


async def test_readiness_asks_the_database(client: httpx.AsyncClient):
    answer = await client.get("http://anomaly/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (200, {"database": "ok"})
