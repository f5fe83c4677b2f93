"""Trusted keys and the bundles of withdrawn versions, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

from anyio import to_thread

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
    before = bench.clock.now() - timedelta(seconds=KEEP_S)
    sweeps = [
        to_thread.run_sync(
            SqlRegistry(engine).forget_archives,
            before,
            BundleFiles(Store(f"file://{store}"), bench.trust, bench.folder / f"cache{number}").forget,
        )
        for number in range(2)
    ]
    assert sorted(await asyncio.gather(*sweeps)) == [0, 1]
    engine.dispose()
    assert len([path for path in store.rglob("*") if path.is_file()]) == 1


async def test_a_bundle_whose_publication_failed_halfway_is_swept_away_and_published_ones_stay(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        await publish(client, bench.archive(version="2", trees=5))
        await client.delete("/api/v1/twin/models/yield/versions/2")
    store = bench.folder / "store"
    (bench.folder / "orphan").write_bytes(b"checked and kept, but the database went away")
    orphan = Store(f"file://{store}").put_file("twin", bench.folder / "orphan")
    engine = open_engine(bench.database_url)
    registry = SqlRegistry(engine)
    files = BundleFiles(Store(f"file://{store}"), bench.trust, bench.folder / "cache")
    now = datetime.now(UTC)
    assert files.forget_orphans(registry.known_archives, now - timedelta(days=1)) == 0
    assert files.forget_orphans(registry.known_archives, now + timedelta(days=1)) == 1
    engine.dispose()
    names = {path.name for path in store.rglob("*") if path.is_file()}
    assert len(names) == 2
    assert orphan not in names


async def test_a_replica_removes_what_it_unpacked_of_versions_that_others_have_forgotten(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
    engine = open_engine(bench.database_url)
    registry = SqlRegistry(engine)
    files = BundleFiles(Store(f"file://{bench.folder}/store"), bench.trust, bench.folder / "replica")
    assert files.forget_unpacked(registry.known_archives) == 0
    files.load(registry.stored_models()["yield"].archive_digests["1"])
    unpacked = bench.folder / "replica" / "twin" / "bundles"
    gone = unpacked / ("0" * 64)
    gone.mkdir()
    assert files.forget_unpacked(registry.known_archives) == 1
    engine.dispose()
    assert not gone.exists()
    assert len(list(unpacked.iterdir())) == 1
