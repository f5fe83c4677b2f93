"""Trusted keys and the bundles of withdrawn versions, on both databases."""

import asyncio

from services.twin.adapters.archive_sweeper import ArchiveSweeper
from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.sql_registry import SqlRegistry
from shared.database import open_engine
from shared.principal import Role
from shared.store import Store
from tests.unit.twin.twin_service import Bench, publish

KEYS = "/api/v1/twin/trusted-keys"
KEEP_S = 3600.0


async def test_one_key_enrolled_many_times_at_once_is_there_once(bench: Bench):
    public_key = bench.key("other").public_pem().decode()
    async with (
        bench.twin() as one,
        bench.twin() as two,
        bench.client(one, Role.ADMIN) as first,
        bench.client(two, Role.ADMIN) as second,
    ):
        calls = [client.post(KEYS, json={"public_key": public_key}) for client in (first, second) * 4]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {201}
        items = (await second.get(KEYS)).json()["items"]
        assert [item["key_id"] for item in items if item["source"] == "enrolled"] == [bench.key("other").key_id]
        assert (await first.delete(f"{KEYS}/{bench.key('other').key_id}")).status_code == 204
        assert (await second.delete(f"{KEYS}/{bench.key('other').key_id}")).status_code == 404


async def test_two_replicas_that_sweep_at_once_forget_a_withdrawn_bundle_once(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        await publish(client, bench.archive(version="2", trees=5))
        await client.delete("/api/v1/twin/models/yield/versions/2")
    bench.clock.step(KEEP_S + 1)
    store = bench.folder / "store"
    engine = open_engine(bench.database_url)
    sweepers = [
        ArchiveSweeper(
            SqlRegistry(engine),
            BundleFiles(Store(f"file://{store}"), bench.trust, bench.folder / f"cache{number}"),
            bench.clock,
            keep_s=KEEP_S,
        )
        for number in range(2)
    ]
    assert sorted(await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))) == [0, 1]
    engine.dispose()
    assert len([path for path in store.rglob("*") if path.is_file()]) == 1
