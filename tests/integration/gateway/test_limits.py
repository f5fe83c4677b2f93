"""Limits and revocations on forwarded requests, as clients of two replicas meet them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from tests.integration.gateway.conftest import running, serve
from tests.integration.gateway.upstream import Upstream

Replicas = tuple[httpx.AsyncClient, httpx.AsyncClient]
PREDICT = "/api/v1/twin/predict"
PROMISED_S = 2.0


@pytest.fixture
async def replicas(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[Replicas]:
    async with serve(Upstream()) as url:
        tight = settings.model_copy(
            update={
                "twin_url": url,
                "anomaly_url": url,
                "max_requests_per_hour": 100,
                "heavy_requests_per_hour": 3,
                "open_requests_per_hour": 5,
            }
        )
        async with running(create_app(tight)) as first, running(create_app(tight)) as second:
            yield first, second


async def test_a_hundred_requests_an_hour_are_a_hundred(replicas: Replicas, admin: FirstAdmin):
    headers = {"X-API-Key": admin.api_key.text}
    answers = [await replicas[number % 2].post(PREDICT, json={}, headers=headers) for number in range(104)]
    assert [answer.status_code for answer in answers] == [202] * 100 + [429] * 4
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=100;w=3600'
    assert answers[0].headers["ratelimit"] == '"caller";r=99;t=3600'
    assert answers[99].headers["ratelimit"] == '"caller";r=0;t=3600'
    assert 3500 < int(answers[-1].headers["retry-after"]) <= 3601
    assert answers[-1].json()["code"] == "gateway.too_many_requests"


async def test_what_starts_long_work_has_a_limit_of_its_own(replicas: Replicas, admin: FirstAdmin):
    headers = {"X-API-Key": admin.api_key.text}
    trainings = [await replicas[number % 2].post("/api/v1/anomaly/detectors", headers=headers) for number in range(5)]
    assert [answer.status_code for answer in trainings[3:]] == [429, 429]
    assert 429 not in {answer.status_code for answer in trainings[:3]}
    assert trainings[0].headers["ratelimit-policy"] == '"heavy";q=3;w=3600'
    assert (await replicas[0].post(PREDICT, json={}, headers=headers)).status_code == 202


async def test_what_is_open_is_counted_by_address_and_probes_are_not(replicas: Replicas):
    answers = [await replicas[number % 2].get("/.well-known/jwks.json") for number in range(7)]
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 2}
    assert (await replicas[0].get("/healthz")).status_code == 200


async def test_a_logout_ends_forwarded_requests_on_the_other_replica_in_time(replicas: Replicas, admin: FirstAdmin):
    first, second = replicas
    credentials = {"username": "admin", "password": admin.password}
    token = (await first.post("/api/v1/auth/login", json=credentials)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await second.post(PREDICT, json={}, headers=headers)).status_code == 202
    assert (await first.post("/api/v1/auth/logout", headers=headers)).status_code == 204
    since_s = time.monotonic()
    assert (await first.post(PREDICT, json={}, headers=headers)).status_code == 401
    while (await second.post(PREDICT, json={}, headers=headers)).status_code != 401:
        assert time.monotonic() - since_s < PROMISED_S
        await asyncio.sleep(0.1)
