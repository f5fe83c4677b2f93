"""An experiment on several twins with one database: all assign alike, all count, and outages lose nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
EXPERIMENT = f"{API}/models/yield/experiment"
VARIANTS = [{"name": "A", "version": "1"}, {"name": "B", "version": "2"}]
FOLLOWED_WITHIN_S = 5.0


async def stocked(bench: Bench, client: httpx.AsyncClient) -> None:
    for version, trees in (("1", 3), ("2", 5)):
        assert (await publish(client, bench.archive(version=version, trees=trees))).status_code == 201


@pytest.fixture
async def replicas(bench: Bench) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(2):
            app = await stack.enter_async_context(bench.twin(cache_dir=bench.folder / f"cache{number}"))
            clients.append(await stack.enter_async_context(bench.client(app)))
        await stocked(bench, clients[0])
        yield clients


async def variant(client: httpx.AsyncClient, asset: str) -> str | None:
    response = await client.post(f"{API}/predict", params={"model": "yield", "asset": asset}, json=GOOD)
    if response.status_code == 404:
        # This replica has not yet heard of the model.
        return None
    assert response.status_code == 200, response.text
    return response.json()["variant"]


async def until_variant(client: httpx.AsyncClient, *, present: bool) -> None:
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        while (await variant(client, "warm-up") is not None) is not present:
            await asyncio.sleep(0.01)


async def counted(client: httpx.AsyncClient) -> dict[str, int]:
    report = (await client.get(EXPERIMENT)).json()
    return {found["name"]: found["predictions"] for found in report["variants"]}


async def test_replicas_assign_alike_and_count_together(replicas: list[httpx.AsyncClient]):
    first, second = replicas
    assert (await first.put(EXPERIMENT, json={"variants": VARIANTS})).status_code == 200
    await until_variant(second, present=True)
    before = sum((await counted(second)).values())
    assets = [f"acme.r{number}" for number in range(20)]
    chosen = [[await variant(client, asset) for asset in assets] for client in replicas]
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"A", "B"}
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        while sum((await counted(first)).values()) < before + 40:
            await asyncio.sleep(0.01)
    assert await counted(first) == await counted(second)
    assert (await second.delete(EXPERIMENT)).status_code == 204
    await until_variant(first, present=False)


async def test_no_request_fails_while_an_experiment_begins_and_a_variant_is_promoted(
    replicas: list[httpx.AsyncClient],
):
    first, second = replicas
    await until_variant(first, present=False)
    ended = asyncio.Event()
    statuses: list[int] = []

    async def ask(client: httpx.AsyncClient) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            params = {"model": "yield", "asset": f"acme.r{number}"}
            statuses.append((await client.post(f"{API}/predict", params=params, json=GOOD)).status_code)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for client in replicas:
            group.create_task(ask(client))
        body = {"variants": VARIANTS, "sticky": "request"}
        assert (await first.put(EXPERIMENT, json=body)).status_code == 200
        await until_variant(second, present=True)
        promoted = await second.post(f"{EXPERIMENT}/promote", json={"variant": "B"})
        assert promoted.json()["version"] == "2"
        await until_variant(first, present=False)
        ended.set()
    assert set(statuses) <= {200, 404}
    # The second replica may not have heard of the model in its first moment; from then on every request is answered.
    last_missing = max((place for place, status in enumerate(statuses) if status == 404), default=-1)
    assert len(statuses) - last_missing > 10


async def test_of_two_experiments_begun_at_once_one_runs_whole(replicas: list[httpx.AsyncClient]):
    first, second = replicas
    bodies = [{"variants": VARIANTS}, {"variants": [{"name": "X", "version": "2"}, {"name": "Y", "version": "1"}]}]
    answers = await asyncio.gather(first.put(EXPERIMENT, json=bodies[0]), second.put(EXPERIMENT, json=bodies[1]))
    assert {answer.status_code for answer in answers} == {200}
    assert set(await counted(first)) in ({"A", "B"}, {"X", "Y"})
    assert set(await counted(first)) == set(await counted(second))


async def test_what_any_replica_observed_is_compared_on_all(replicas: list[httpx.AsyncClient]):
    first, second = replicas
    await first.put(EXPERIMENT, json={"variants": VARIANTS})
    await until_variant(second, present=True)
    for client in replicas:
        observations = [
            {"model": "yield", "inputs": {"temp": 345 + number, "pressure": 6.0}, "actual": 80.0}
            for number in range(30)
        ]
        assert (await client.post(f"{API}/observations", json=observations)).status_code == 200
    reports = [(await client.get(EXPERIMENT)).json() for client in replicas]
    assert reports[0]["variants"][1]["comparison"] == reports[1]["variants"][1]["comparison"]
    comparison = reports[0]["variants"][1]["comparison"]
    errors = [found["observations"]["rmse"] for found in reports[0]["variants"]]
    assert (comparison["n"], comparison["baseline"]) == (60, "A")
    assert comparison["rmse"]["difference"] == pytest.approx(errors[1] - errors[0])


async def test_counts_wait_while_the_database_is_away(
    tmp_path: Path, key_pair: Any, clock: Any, postgres_server: str, postgres_url: str
):
    bench = Bench(tmp_path, key_pair, clock, postgres_url)
    bench.migrate()
    name = postgres_url.rpartition("/")[2]
    async with bench.twin() as app, bench.client(app) as client:
        await stocked(bench, client)
        await client.put(EXPERIMENT, json={"variants": VARIANTS})
        with psycopg.connect(f"postgresql://{postgres_server}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            assert {await variant(client, f"acme.r{number}") for number in range(8)} == {"A", "B"}
            assert (await client.get(EXPERIMENT)).status_code == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        async with asyncio.timeout(FOLLOWED_WITHIN_S):
            while (answer := await client.get(EXPERIMENT)).status_code != 200:
                await asyncio.sleep(0.05)
        assert sum(found["predictions"] for found in answer.json()["variants"]) == 8
