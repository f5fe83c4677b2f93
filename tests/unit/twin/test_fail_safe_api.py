"""What callers see when an input is Bad or a sensor sticks, policy by policy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.twin.domain.fail_safe import FailSafe, FailSafePolicy
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
BAD = {**GOOD, "temp": {"value": 361.5, "quality": "Bad"}}


@asynccontextmanager
async def serving(bench: Bench, policy: FailSafePolicy, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.twin(**settings) as app, bench.client(app) as client:
        archive = bench.archive(fail_safe=FailSafe(policy, hold_limit_s=30.0))
        assert (await publish(client, archive)).status_code == 201
        yield client


async def test_a_bad_value_is_refused_where_nothing_stands_in(bench: Bench):
    async with serving(bench, FailSafePolicy.REJECT) as client:
        response = await client.post(f"{API}/predict", json=BAD)
    assert (response.status_code, response.json()["code"]) == (422, "twin.quality_bad")


async def test_a_bad_value_is_answered_with_the_last_good_prediction_until_it_is_too_old(bench: Bench):
    async with serving(bench, FailSafePolicy.HOLD) as client:
        asset = {"asset": "acme.r101"}
        assert (await client.post(f"{API}/predict", params=asset, json=BAD)).status_code == 422
        good = (await client.post(f"{API}/predict", params=asset, json=GOOD)).json()
        bench.clock.step(20.0)
        held = (await client.post(f"{API}/predict", params=asset, json=BAD)).json()
        elsewhere = await client.post(f"{API}/predict", params={"asset": "acme.r102"}, json=BAD)
        bench.clock.step(20.0)
        late = await client.post(f"{API}/predict", params=asset, json=BAD)
    assert (good["status"], good["age_s"]) == ("ok", 0.0)
    assert (held["status"], held["age_s"], held["prediction"]) == ("hold", 20.0, good["prediction"])
    assert (elsewhere.status_code, late.status_code) == (422, 422)


async def test_a_bad_value_is_done_without_by_the_surrogate_alone_and_in_a_batch(bench: Bench):
    async with serving(bench, FailSafePolicy.FALLBACK) as client:
        alone = (await client.post(f"{API}/predict", json=BAD)).json()
        batch = (await client.post(f"{API}/batch", json={"inputs": [GOOD, BAD]})).json()
        malformed = await client.post(f"{API}/predict", json={**BAD, "pressure": "six"})
    assert alone["status"] == "fallback"
    assert alone["prediction_interval"]["lower"] < alone["prediction"] < alone["prediction_interval"]["upper"]
    assert [result["status"] for result in batch["results"]] == ["ok", "fallback"]
    assert malformed.status_code == 422


@pytest.mark.parametrize(("asset", "warned"), [("acme.r101", True), (None, False)])
async def test_a_sensor_that_repeats_itself_is_named_in_the_answer(bench: Bench, asset: str | None, warned: bool):
    params = {} if asset is None else {"asset": asset}
    async with serving(bench, FailSafePolicy.REJECT, stuck_after_readings=5) as client:
        for number in range(6):
            reading = {**GOOD, "pressure": 5.0 + number / 10}
            answer = (await client.post(f"{API}/predict", params=params, json=reading)).json()
    assert (answer["warnings"] != []) is warned
    assert all("temp" in warning for warning in map(str, answer["warnings"]))
