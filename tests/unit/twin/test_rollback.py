"""The previous version is one call away."""

import httpx
import pytest

from tests.unit.twin.twin_service import GOOD, Bench, publish

ACTIVATE = "/api/v1/twin/models/yield/activate"


async def answering(client: httpx.AsyncClient) -> str:
    return (await client.post("/api/v1/twin/predict", json=GOOD)).json()["version"]


async def test_the_previous_version_comes_back_and_a_second_call_changes_back(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        for version, trees in (("1", 3), ("previous", 5)):
            await publish(client, bench.archive(version=version, trees=trees))
        await client.post(ACTIVATE, json={"version": "previous"})
        assert await answering(client) == "previous"
        for expected in ("1", "previous"):
            response = await client.post(ACTIVATE, json={"previous": True})
            assert (response.status_code, response.json()["version"], response.json()["state"]) == (
                200,
                expected,
                "active",
            )
            assert await answering(client) == expected


async def test_without_a_previous_version_there_is_nothing_to_go_back_to(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        response = await client.post(ACTIVATE, json={"previous": True})
        assert (response.status_code, response.json()["code"]) == (409, "twin.previous_missing")
        missing = await client.post("/api/v1/twin/models/nobody/activate", json={"previous": True})
        assert missing.status_code == 404


@pytest.mark.parametrize("body", [{}, {"previous": False}, {"previous": True, "version": "1"}, {"version": None}])
async def test_a_call_that_names_no_version_or_two_is_a_422(bench: Bench, body: dict[str, object]):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        assert (await client.post(ACTIVATE, json=body)).status_code == 422


@pytest.mark.parametrize("published", [0, 2])
@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_hold_no_more_than_their_limit_with_a_model_of_the_configuration_too(
    bench: Bench, published: int, limit: int
):
    built_in = bench.bundle("k")
    names = ["a", "z", "m"][:published]
    async with bench.twin(model_path=built_in) as app, bench.client(app) as client:
        for name in names:
            await publish(client, bench.archive(name))
        found: list[str] = []
        cursor: str | None = None
        while not found or cursor is not None:
            query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/api/v1/twin/models", params=query)).json()
            assert len(page["items"]) <= limit
            found += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert found == [*sorted(names), "k"]
