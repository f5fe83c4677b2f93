"""Several twins on one database and one store: all follow a change, and no request is lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
# A change is seen at the next reading of the counter, here every 50 ms.
FOLLOWED_WITHIN_S = 5.0


@pytest.fixture
async def replicas(bench: Bench) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(2):
            app = await stack.enter_async_context(bench.twin(cache_dir=bench.folder / f"cache{number}"))
            clients.append(await stack.enter_async_context(bench.client(app)))
        yield clients


async def predicted(client: httpx.AsyncClient) -> str:
    response = await client.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)
    return response.json()["version"] if response.status_code == 200 else str(response.status_code)


async def until(answer: Callable[[], Awaitable[str]], wanted: str) -> list[str]:
    """Ask until the wanted answer comes; returns every answer."""
    answers = []
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        while not answers or answers[-1] != wanted:
            answers.append(await answer())
            await asyncio.sleep(0.005)
    return answers


async def test_every_replica_follows_a_publication_an_activation_and_a_withdrawal(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    first, second = replicas
    await publish(first, bench.archive())
    await until(lambda: predicted(second), "1")
    await publish(first, bench.archive(version="2", trees=5))
    await first.post(f"{API}/models/yield/activate", json={"version": "2"})
    assert set(await until(lambda: predicted(second), "2")) <= {"1", "2"}
    await first.delete(f"{API}/models/yield/versions/1")
    await first.delete(f"{API}/models/yield/versions/2")
    await until(lambda: predicted(second), "404")


async def test_no_request_fails_while_versions_change(bench: Bench, replicas: list[httpx.AsyncClient]):
    first, second = replicas
    for version, trees in (("1", 3), ("2", 40)):
        await publish(first, bench.archive(version=version, trees=trees))
    await until(lambda: predicted(second), "1")
    answers: list[str] = []
    swapped = asyncio.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while not swapped.is_set():
            answers.append(await predicted(client))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for client in replicas * 3:
            group.create_task(ask(client))
        for version in ("2", "1", "2"):
            response = await first.post(f"{API}/models/yield/activate", json={"version": version})
            assert response.status_code == 200
            await until(lambda: predicted(second), version)
        swapped.set()
    assert set(answers) == {"1", "2"}


async def test_a_replica_started_later_serves_what_was_published_before(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    await publish(replicas[0], bench.archive())
    async with bench.twin(cache_dir=bench.folder / "cache-new") as app, bench.client(app) as client:
        assert await predicted(client) == "1"


async def test_a_damaged_cache_is_fetched_again_and_a_damaged_store_is_a_503(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    await publish(replicas[0], bench.archive())
    await until(lambda: predicted(replicas[1]), "1")
    cache = bench.folder / "cache1"
    (graph,) = cache.rglob("model.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    async with bench.twin(cache_dir=cache) as app, bench.client(app) as client:
        assert await predicted(client) == "1"
    (archive,) = [path for path in (bench.folder / "store").rglob("*") if path.is_file()]
    archive.write_bytes(b"damaged")
    async with bench.twin(cache_dir=bench.folder / "cache-new") as app, bench.client(app) as client:
        response = await client.post(f"{API}/predict", params={"model": "yield"}, json=GOOD)
        assert (response.status_code, response.json()["code"]) == (503, "store.damaged")


async def test_the_least_recently_used_model_makes_room_and_comes_back_when_asked(bench: Bench):
    async with bench.twin(loaded_models_limit=2) as app, bench.client(app) as client:
        for name in ("a", "b", "c"):
            await publish(client, bench.archive(name))
        for name in ("a", "b", "c", "a"):
            response = await client.post(f"{API}/predict", params={"model": name}, json=GOOD)
            assert response.json()["model"] == name
        assert "futago_twin_models_loaded 2.0" in (await client.get("/metrics")).text


async def test_publishing_one_version_from_two_replicas_at_once_succeeds_once_or_twice_alike(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    archive, other = bench.archive(), bench.archive(trees=5)
    responses = await asyncio.gather(*(publish(client, archive) for client in replicas * 2))
    assert {response.status_code for response in responses} == {201}
    clash = await asyncio.gather(*(publish(client, other) for client in replicas))
    assert {response.status_code for response in clash} == {409}


async def test_a_replica_that_cannot_load_a_new_version_stays_with_the_former_one_until_it_can(
    bench: Bench, replicas: list[httpx.AsyncClient]
):
    first, second = replicas
    await publish(first, bench.archive())
    await until(lambda: predicted(second), "1")
    before = set((bench.folder / "store").rglob("*"))
    await publish(first, bench.archive(version="2", trees=5))
    (archive,) = [path for path in set((bench.folder / "store").rglob("*")) - before if path.is_file()]
    content = archive.read_bytes()
    archive.write_bytes(b"damaged")
    await first.post(f"{API}/models/yield/activate", json={"version": "2"})

    async def failures() -> str:
        text = (await second.get("/metrics")).text
        return str("futago_twin_registry_failures_total 0.0" not in text)

    await until(failures, "True")
    assert await predicted(second) == "1"
    archive.write_bytes(content)
    await until(lambda: predicted(second), "2")
