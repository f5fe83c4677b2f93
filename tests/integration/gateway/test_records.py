"""What the gateway keeps: the audit chain, alerts and jobs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import metadata, migrate_gateway
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.errors import ChangedMeanwhile, RefreshRejected, WrongCredentials
from services.gateway.domain.refresh import Family, RefreshToken
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.contracts.alert import Alert, Severity
from shared.database import open_engine
from shared.events import publish_alert
from shared.jobs.queue import JobQueue
from shared.principal import Role
from shared.redis_client import async_client
from tests.integration.gateway.conftest import running
from tests.unit.gateway.fakes import unchecked, user

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def test_the_migration_makes_the_tables_that_the_code_uses(database_url: str):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert [difference for difference in differences if difference[0] != "remove_table"] == []


def alert(name: str, key: str = "k", asset: str = "acme.osaka.pump") -> Alert:
    return Alert(name, "twin", "out_of_range", Severity.WARNING, asset, "yield", "too high", NOW, key, {"value": 91.5})


async def until(condition: Callable[[], object]) -> object:
    for _ in range(100):
        if found := await condition():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen within 5 s")


async def test_an_alert_is_listed_once_counted_and_acknowledged(
    gateway: httpx.AsyncClient, admin: FirstAdmin, redis_url: str
):
    key = {"X-API-Key": admin.api_key.text}
    redis = async_client(redis_url, timeout_s=5)
    for message in (alert("a1"), alert("a2"), alert("a2"), alert("b1", key="other", asset="acme.kyoto")):
        await publish_alert(redis, message)

    async def both() -> list[dict[str, object]] | None:
        items = (await gateway.get("/api/v1/alerts", headers=key)).json()["items"]
        return items if len(items) == 2 else None

    listed = {item["id"]: item for item in await until(both)}
    assert (listed["a1"]["occurrences"], listed["b1"]["occurrences"]) == (2, 1)
    osaka = (await gateway.get("/api/v1/alerts?asset=acme.osaka", headers=key)).json()["items"]
    assert [item["id"] for item in osaka] == ["a1"]
    noted = (await gateway.post("/api/v1/alerts/a1/acknowledge", headers=key)).json()
    assert (noted["state"], noted["acknowledged_by"]) == ("acknowledged", "admin")
    await publish_alert(redis, alert("a3"))

    async def third() -> bool:
        items = (await gateway.get("/api/v1/alerts?state=open", headers=key)).json()["items"]
        return {item["id"] for item in items} == {"a3", "b1"}

    assert await until(third)
    assert (await gateway.post("/api/v1/alerts/none/acknowledge", headers=key)).status_code == 404
    await redis.aclose()


async def test_a_keys_last_use_is_shown(settings: GatewaySettings, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text}
    async with running(create_app(settings)) as client:
        assert (await client.get("/api/v1/api-keys", headers=key)).json()["items"][0]["last_used_at"] is None
    async with running(create_app(settings)) as client:
        assert (await client.get("/api/v1/api-keys", headers=key)).json()["items"][0]["last_used_at"] is not None


async def test_sessions_that_ended_long_ago_are_removed_with_their_tokens(database_url: str):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    await SqlUsers(engine).add(user("olga"))
    refresh = SqlRefresh(engine)
    for name, days in (("a", 1), ("b", 9)):
        ends = NOW + timedelta(days=days)
        family = Family(name * 32, "olga", NOW, ends, None)
        await refresh.open(family, RefreshToken(name.encode() * 32, family.family_id, ends, None), generation=1)
    assert refresh.remove_ended(NOW + timedelta(days=2)) == 1
    with pytest.raises(RefreshRejected):
        await refresh.family("a" * 32)
    with pytest.raises(RefreshRejected):
        await refresh.rotate(b"a" * 32, b"c" * 32, now=NOW, idle=timedelta(days=1), tell=lambda *_: None)
    assert (await refresh.family("b" * 32)).username == "olga"
    engine.dispose()


async def test_no_session_opens_for_a_user_who_was_changed_meanwhile(database_url: str):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    users = SqlUsers(engine)
    known = user("olga")
    await users.add(known)
    await users.set_password("olga", "another hash", NOW, check=unchecked)
    ends = NOW + timedelta(days=1)
    family = Family("a" * 32, "olga", NOW, ends, None)
    token = RefreshToken(b"a" * 32, family.family_id, ends, None)
    with pytest.raises(WrongCredentials):
        await SqlRefresh(engine).open(family, token, generation=known.generation)
    await SqlRefresh(engine).open(family, token, generation=known.generation + 1)
    engine.dispose()


async def test_administrators_cannot_all_remove_each_other_at_once(database_url: str):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    users = SqlUsers(engine)
    names = [f"ann{number}" for number in range(6)]
    for name in names:
        await users.add(user(name, Role.ADMIN))
    outcomes = await asyncio.gather(
        *(users.delete(name, NOW, check=unchecked) for name in names), return_exceptions=True
    )
    engine.dispose()
    # One is told why, none of the others is stopped by it.
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastAdmin", *["User"] * 5]


async def test_of_two_changes_to_a_key_at_once_the_second_is_told(database_url: str):
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    await SqlUsers(engine).add(user("olga"))
    keys = SqlKeys(engine)
    minted = api_keys.mint(bytes(48))
    await keys.add(
        ApiKey(minted.key_id, "x", "olga", minted.digest, None, None, frozenset(), (), True, 1, NOW, NOW, None),
        check=unchecked,
    )
    read = await keys.get(minted.key_id)
    assert (await keys.replace(replace(read, active=False), check=unchecked)).generation == 2
    with pytest.raises(ChangedMeanwhile):
        await keys.replace(replace(read, name="y"), check=unchecked)
    engine.dispose()


class Nowhere:
    """A queue that takes everything and delivers nothing."""

    def send(self, job_id: str, kind: str) -> None: ...


async def test_jobs_are_shown_to_their_owner_and_stopped_by_who_could_start_them(
    gateway: httpx.AsyncClient, token: str, settings: GatewaySettings
):
    root = {"Authorization": f"Bearer {token}"}
    engine = open_engine(settings.database_url.get_secret_value())
    queue = JobQueue(engine, Nowhere(), queue="anomaly", clock=SystemClock())
    owned = queue.submit("anomaly.train", {}, owner="vera", time_limit_s=10)
    foreign = queue.submit("planner.solve", {}, owner="admin", time_limit_s=10)
    engine.dispose()
    password = "a long walk by the river"
    await gateway.post("/api/v1/users", json={"username": "vera", "password": password, "role": "viewer"}, headers=root)
    pair = (await gateway.post("/api/v1/auth/login", json={"username": "vera", "password": password})).json()
    vera = {"Authorization": f"Bearer {pair['access_token']}"}
    assert [job["id"] for job in (await gateway.get("/api/v1/jobs", headers=vera)).json()["items"]] == [owned.id]
    assert len((await gateway.get("/api/v1/jobs", headers=root)).json()["items"]) == 2
    assert (await gateway.get(f"/api/v1/jobs/{foreign.id}", headers=vera)).status_code == 404
    assert (await gateway.post(f"/api/v1/jobs/{owned.id}/cancel", headers=vera)).status_code == 403
    cancelled = await gateway.post(f"/api/v1/jobs/{foreign.id}/cancel", headers=root)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
