"""News of finished inspections, for whoever judges the equipment's condition."""

import json
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from redis import Redis

from shared.contracts.inspection import FinishedInspection
from shared.events import INSPECTIONS
from tests.integration.planner.site import Site, serving

DONE = {"device": "P-101", "started": "2026-03-01", "finished": "2026-03-04", "findings": "worn seal"}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing is searched here, so nothing has to be compiled."""
    return tmp_path_factory.mktemp("planner-cache")


def told(site: Site) -> list[FinishedInspection]:
    with Redis.from_url(site.redis_url) as redis:
        events = redis.xrange(INSPECTIONS)
    return [FinishedInspection.from_json(json.loads(fields[b"payload"])) for _, fields in events]


async def test_finished_inspection_of_an_asset_is_told(site: Site, client: httpx.AsyncClient):
    answer = await client.post("/inspections", json=DONE | {"asset": "acme.pump"})
    assert answer.status_code == 201
    (news,) = told(site)
    assert (news.asset, news.finished.isoformat()) == ("acme.pump", "2026-03-04")
    assert news.ended_at.isoformat() == "2026-03-05T00:00:00+00:00"


async def test_the_same_inspection_told_twice_is_the_same_news(site: Site, client: httpx.AsyncClient):
    for _ in range(2):
        await client.post("/inspections", json=DONE | {"asset": "acme.pump"})
    first, second = told(site)
    assert first == second


async def test_inspection_of_no_asset_is_nobodys_news(site: Site, client: httpx.AsyncClient):
    await client.post("/inspections", json=DONE)
    assert told(site) == []


async def test_inspection_is_recorded_while_redis_is_away(site: Site):
    away = site.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9/0")})
    async with serving(site, away) as client:
        answer = await client.post("/inspections", json=DONE | {"asset": "acme.pump"})
    assert answer.status_code == 201
