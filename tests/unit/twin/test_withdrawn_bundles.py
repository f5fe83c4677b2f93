"""What becomes of the bundles of withdrawn versions."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from anyio import to_thread

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.sql_registry import SqlRegistry
from shared.database import open_engine
from shared.http.app import ServiceApp
from shared.store import Store
from tests.unit.twin.twin_service import GOOD, Bench, publish

KEEP_S = 3600.0
VERSIONS = "/api/v1/twin/models/yield/versions"


async def sweep(bench: Bench) -> int:
    engine = open_engine(bench.database_url)
    files = BundleFiles(Store(f"file://{bench.folder}/store"), bench.trust, bench.folder / "cache")
    before = bench.clock.now() - timedelta(seconds=KEEP_S)
    forgotten = await to_thread.run_sync(SqlRegistry(engine).forget_archives, before, files.forget)
    engine.dispose()
    return forgotten


def stored(bench: Bench) -> list[Path]:
    return [path for path in (bench.folder / "store").rglob("*") if path.is_file()]


async def predicted(bench: Bench, app: ServiceApp) -> httpx.Response:
    # Made anew, because the identity token is good for a minute and the clock was moved.
    async with bench.client(app) as client:
        return await client.post("/api/v1/twin/predict", json=GOOD)


async def test_a_withdrawn_bundle_stays_for_its_time_and_is_then_forgotten(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        await publish(client, bench.archive())
        await publish(client, bench.archive(version="2", trees=5))
        await client.delete(f"{VERSIONS}/2")
        bench.clock.step(KEEP_S - 1)
        assert await sweep(bench) == 0
        assert len(stored(bench)) == 2
        bench.clock.step(2)
        assert await sweep(bench) == 1
        assert await sweep(bench) == 0
        assert len(stored(bench)) == 1
        assert (await predicted(bench, app)).json()["version"] == "1"


async def test_a_version_that_was_forgotten_can_be_published_again(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        archive = bench.archive()
        await publish(client, archive)
        await client.delete(f"{VERSIONS}/1")
        bench.clock.step(KEEP_S + 1)
        await sweep(bench)
        assert stored(bench) == []
        async with bench.client(app) as later:
            assert (await publish(later, archive)).status_code == 201
        bench.clock.step(KEEP_S + 1)
        assert await sweep(bench) == 0
    async with bench.twin(cache_dir=bench.folder / "cache-new") as restarted:
        assert (await predicted(bench, restarted)).status_code == 200


async def test_a_version_brought_back_before_its_end_stays(bench: Bench):
    async with bench.twin() as app, bench.client(app) as client:
        archive = bench.archive()
        await publish(client, archive)
        await client.delete(f"{VERSIONS}/1")
        await publish(client, archive)
        bench.clock.step(KEEP_S + 1)
        assert await sweep(bench) == 0
        assert len(stored(bench)) == 1


async def test_a_bundle_that_is_swept_away_while_it_is_published_again_is_kept_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    async with bench.twin() as app, bench.client(app) as client:
        archive = bench.archive()
        await publish(client, archive)
        await client.delete(f"{VERSIONS}/1")
        bench.clock.step(KEEP_S + 1)
        published = SqlRegistry.publish

        def after_the_sweep(self: SqlRegistry, *arguments: object, **options: object) -> object:
            for path in stored(bench):
                path.unlink()
            return published(self, *arguments, **options)

        monkeypatch.setattr(SqlRegistry, "publish", after_the_sweep)
        async with bench.client(app) as later:
            assert (await publish(later, archive)).status_code == 201
        assert len(stored(bench)) == 1
