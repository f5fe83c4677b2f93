"""Alerts and jobs as they happen: who is told what, and when the telling ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin, new_admin, store_first_admin
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.contracts.alert import Alert, Severity
from shared.contracts.job import Job, JobState
from shared.events import JOBS, publish, publish_alert
from shared.redis_client import async_client
from tests.integration.conftest import Valkey
from tests.integration.gateway.conftest import serve

PASSWORD = "a long walk by the river"
EVENTS = "/api/v1/events"
NOW = SystemClock().now()
ALERT = Alert("a1", "twin", "out_of_range", Severity.WARNING, "acme.osaka", "yield", "too hot", NOW, "k1")
JOB = Job("j1", "anomaly.train", JobState.RUNNING, {"fraction": 0.5}, NOW, NOW, None, 1, None, None, owner="olga")


class Reader:
    """Reads one stream, an event at a time."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.position = ""

    async def next(self) -> tuple[str, Any]:
        """Name and data of the next event; the id of one without data has the name `position`."""
        said: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    continue
                if line:
                    said[name] = value
                    continue
                if said:
                    break
        self.position = said.get("id", self.position)
        return said.get("event", "position"), json.loads(said["data"]) if "data" in said else None


@asynccontextmanager
async def following(client: httpx.AsyncClient, headers: dict[str, str]) -> AsyncIterator[Reader]:
    async with client.stream("GET", EVENTS, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        reader = Reader(answer)
        assert (await reader.next())[0] == "position"
        yield reader


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = async_client(redis_url, timeout_s=5)
    yield client
    await client.aclose()


@asynccontextmanager
async def served(settings: GatewaySettings) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway on a socket: a stream has to leave before it ends."""
    app = create_app(settings)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        async with asyncio.timeout(10):
            while (await client.get("/metrics")).text.count("futago_gateway_floors_age_seconds +Inf"):
                await asyncio.sleep(0.02)
        yield client


@pytest.fixture
async def client(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[httpx.AsyncClient]:
    async with served(settings) as client:
        yield client


async def log_in(client: httpx.AsyncClient, username: str, password: str) -> dict[str, str]:
    answer = await client.post("/api/v1/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def add_user(client: httpx.AsyncClient, admin: FirstAdmin, name: str, **rights: object) -> dict[str, str]:
    key = {"X-API-Key": admin.api_key.text}
    body = {"username": name, "password": PASSWORD, "role": "operator", **rights}
    assert (await client.post("/api/v1/users", json=body, headers=key)).status_code == 201
    return await log_in(client, name, PASSWORD)


async def tell_job(redis: Redis, job: Job) -> None:
    await publish(redis, JOBS, {"owner": job.owner, "job": job.to_json()})


async def test_alerts_and_jobs_are_told_as_they_happen_and_a_reader_goes_on_where_it_was(
    client: httpx.AsyncClient, admin: FirstAdmin, redis: Redis
):
    root = await log_in(client, "admin", admin.password)
    async with following(client, root) as reader:
        assert reader.answer.headers["content-type"].startswith("text/event-stream")
        await publish_alert(redis, ALERT)
        assert await reader.next() == ("alert", ALERT.to_json())
        position = reader.position
    # While nobody reads.
    await tell_job(redis, JOB)
    await publish_alert(redis, replace(ALERT, id="a2"))
    async with following(client, {**root, "Last-Event-ID": position}) as reader:
        told = [await reader.next(), await reader.next()]
        # What happened within one millisecond comes in either order.
        assert sorted((name, data["id"]) for name, data in told) == [("alert", "a2"), ("job", "j1")]
        await tell_job(redis, replace(JOB, state=JobState.SUCCEEDED, result={"n": 1}))
        name, data = await reader.next()
        assert (name, data["state"], data["result"]) == ("job", "succeeded", {"n": 1})


async def test_nobody_is_told_of_what_is_not_theirs_to_see(client: httpx.AsyncClient, admin: FirstAdmin, redis: Redis):
    olga = await add_user(client, admin, "olga", assets=["acme.osaka"])
    paul = await add_user(client, admin, "paul", assets=["acme.kobe"])
    async with following(client, olga) as hers, following(client, paul) as his:
        await publish_alert(redis, ALERT)
        await publish_alert(redis, replace(ALERT, id="a2", asset=None))
        await publish_alert(redis, replace(ALERT, id="a3", asset="acme.kobe.press"))
        await tell_job(redis, JOB)
        await tell_job(redis, replace(JOB, id="j2", owner="paul"))
        heard = [[(await reader.next())[1]["id"] for _ in range(2)] for reader in (hers, his)]
    assert heard == [["a1", "j1"], ["a3", "j2"]]


@pytest.mark.parametrize("act", ["logout", "disabled", "sessions ended"])
async def test_a_stream_ends_within_two_seconds_of_what_ends_its_session(
    client: httpx.AsyncClient, admin: FirstAdmin, act: str
):
    key = {"X-API-Key": admin.api_key.text}
    olga = await add_user(client, admin, "olga")
    async with following(client, olga) as reader:
        if act == "logout":
            await client.post("/api/v1/auth/logout", headers=olga)
        elif act == "disabled":
            await client.patch("/api/v1/users/olga", json={"active": False}, headers=key)
        else:
            await client.delete("/api/v1/users/olga/sessions", headers=key)
        async with asyncio.timeout(2.0):
            assert await reader.next() == ("end", {"reason": "revoked"})
    assert (await client.get(EVENTS, headers=olga)).status_code == 401


async def test_a_stream_ends_with_its_token(settings: GatewaySettings, admin: FirstAdmin):
    # Shorter than a setting may be: nobody waits half a minute for a test.
    short = settings.model_copy(update={"access_token_life_s": 2})
    async with served(short) as client, following(client, await log_in(client, "admin", admin.password)) as reader:
        assert await reader.next() == ("end", {"reason": "expired"})


async def test_a_caller_holds_a_few_streams_and_not_more(client: httpx.AsyncClient, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text}
    async with AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(following(client, key))
        refused = await client.get(EVENTS, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (429, "gateway.too_many_streams")
        async with following(client, await log_in(client, "admin", admin.password)):
            assert "futago_gateway_event_streams 9.0" in (await client.get("/metrics")).text
    # Those that were left make room.
    async with asyncio.timeout(5):
        while "futago_gateway_event_streams 0.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("sent", ["nonsense", "1-1", "1-1_2", "9" * 90, "1-1_2-2_3-3"])
async def test_an_id_that_was_never_given_out_is_refused(client: httpx.AsyncClient, admin: FirstAdmin, sent: str):
    headers = {"X-API-Key": admin.api_key.text, "Last-Event-ID": sent}
    assert (await client.get(EVENTS, headers=headers)).status_code == 422


async def test_without_a_token_there_is_no_stream(client: httpx.AsyncClient):
    assert (await client.get(EVENTS)).status_code == 401


async def test_while_redis_is_away_a_stream_ends_and_none_begins(settings: GatewaySettings, own_valkey: Valkey):
    admin = new_admin("admin")
    await store_first_admin(settings.database_url.get_secret_value(), admin, SystemClock())
    moved = settings.model_copy(update={"redis_url": SecretStr(own_valkey.url)})
    async with served(moved) as client:
        root = await log_in(client, "admin", admin.password)
        async with following(client, root) as reader:
            own_valkey.stop()
            assert await reader.next() == ("end", {"reason": "unavailable"})
        assert (await client.get(EVENTS, headers=root)).status_code == 503
