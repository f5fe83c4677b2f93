"""What the anomaly service removes after its time, and what it keeps because something still needs it."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from sqlalchemy import Engine, func, insert, select

from services.anomaly.adapters.clean_up import UPLOAD_GRACE, Kept, rules
from services.anomaly.adapters.redis_windows import RedisWindows
from services.anomaly.adapters.sql_scores import SqlScores, add_scores, keep_scores
from services.anomaly.adapters.table_store import SqlTableStore, fetch_table
from services.anomaly.adapters.tables import HISTORY, SCRIPTS, live, versions
from services.anomaly.domain.score_jobs import ScoresMissing
from services.anomaly.domain.streaming import TooManyStreams
from services.anomaly.domain.training_requests import Table, UploadMissing
from shared.contracts.job import Job
from shared.database import migrate, open_engine, read, write
from shared.jobs import JobQueue, JobStore, migrate_jobs
from shared.store import Store, StoredFileMissing
from tests.conftest import SteppingClock
from tests.integration.anomaly.site import Site, plant, serving
from tests.integration.anomaly.test_streams import body
from tests.integration.shared.test_retention import Silent

WEEK, MONTH, YEAR = timedelta(days=7), timedelta(days=30), timedelta(days=400)
KEPT = Kept(uploads=WEEK, scores=MONTH, live_counts=YEAR, cached_files=MONTH, history=MONTH)


class Shop:
    """The places where the service keeps things, on a clock that only the test moves."""

    def __init__(self, url: str, folder: Path, clock: SteppingClock) -> None:
        migrate_jobs(url)
        migrate(url, HISTORY, SCRIPTS)
        self.engine: Engine = open_engine(url)
        self.folder, self.clock = folder, clock
        self.store = Store((folder / "store").as_uri(), clock)
        self.tables = SqlTableStore(self.engine, self.store, clock=clock, uploads_kept=WEEK)
        self.queue = JobQueue(self.engine, Silent(), queue="anomaly", clock=clock)

    def upload(self, number: float) -> tuple[str, str]:
        table = Table(("a",), np.array([[number]]), None)
        upload_id, kept = self.tables.add_upload(table, by="ada", at=self.clock.now())
        self._stamp()
        return upload_id, kept.digest

    def table(self, number: float) -> str:
        digest = self.tables.keep(Table(("a",), np.array([[number]]), None)).digest
        self._stamp()
        return digest

    def order(self, table: str, context: str | None = None) -> Job:
        return self.queue.submit("anomaly.score", {"table": table, "context": context}, owner="ada", time_limit_s=60)

    def clean(self, after: timedelta) -> dict[str, int]:
        """Let time pass and clean up once; what went, by name."""
        self.clock.step(after.total_seconds())
        every = rules(self.engine, self.store, self.folder / "cache", KEPT)
        return {rule.what: rule.remove(self.clock.now() - rule.keep) for rule in every if rule.keep is not None}

    def _stamp(self) -> None:
        # The files carry the time of the machine; here they came when the stepped clock says.
        for path in (self.folder / "store").rglob("*"):
            if path.is_file() and abs(path.stat().st_mtime - self.clock.now_s) > 1e6:
                os.utime(path, (self.clock.now_s, self.clock.now_s))


@pytest.fixture
def shop(database_url: str, tmp_path: Path, clock: SteppingClock) -> Iterator[Shop]:
    shop = Shop(database_url, tmp_path, clock)
    yield shop
    shop.engine.dispose()


def has(shop: Shop, digest: str) -> bool:
    try:
        fetch_table(shop.store, digest, shop.folder / "other", ["a"])
    except StoredFileMissing:
        return False
    return True


def test_an_upload_is_refused_after_its_time_and_removed_a_day_later_with_its_file(shop: Shop):
    upload_id, digest = shop.upload(1.0)
    assert shop.clean(WEEK)["uploads"] == 0
    assert shop.tables.upload(upload_id).digest == digest
    assert shop.clean(timedelta(seconds=1))["uploads"] == 0
    with pytest.raises(UploadMissing):
        shop.tables.upload(upload_id)
    removed = shop.clean(UPLOAD_GRACE)
    assert (removed["uploads"], removed["kept_tables"]) == (1, 1)
    assert not has(shop, digest)


def test_a_table_that_a_waiting_job_needs_stays_until_the_job_has_ended(shop: Shop):
    _, digest = shop.upload(1.0)
    context = shop.table(2.0)
    job = shop.order(digest, context)
    removed = shop.clean(4 * WEEK)
    assert (removed["uploads"], removed["kept_tables"]) == (1, 0)
    assert has(shop, digest)
    assert has(shop, context)
    JobStore(shop.engine, shop.clock).cancel(job.id)
    assert shop.clean(timedelta(0))["kept_tables"] == 2


def test_a_table_that_two_uploads_share_stays_for_the_newer_one(shop: Shop):
    _, digest = shop.upload(1.0)
    shop.clock.step(WEEK.total_seconds())
    newer, same = shop.upload(1.0)
    assert same == digest
    removed = shop.clean(2 * UPLOAD_GRACE)
    assert (removed["uploads"], removed["kept_tables"]) == (1, 0)
    assert shop.tables.upload(newer).digest == digest


def test_rows_that_were_kept_for_a_job_that_was_never_made_go_after_a_day(shop: Shop):
    digest = shop.table(1.0)
    assert shop.clean(timedelta(hours=23))["kept_tables"] == 0
    assert shop.clean(timedelta(hours=2))["kept_tables"] == 1
    assert not has(shop, digest)


def test_a_result_of_a_score_job_goes_after_its_time_and_is_then_missing(shop: Shop):
    digest = keep_scores(shop.store, '{"scores": []}')
    shop._stamp()
    with write(shop.engine) as connection:
        for job_id, at in (("old", shop.clock.now()), ("new", shop.clock.now() + timedelta(days=10))):
            add_scores(connection, digest, job_id=job_id, asset=None, owner=None, at=at)
    shelf = SqlScores(shop.engine, shop.store, cache_dir=shop.folder / "shelf")
    removed = shop.clean(MONTH + timedelta(days=1))
    assert (removed["scores"], removed["score_files"]) == (1, 0)
    with pytest.raises(ScoresMissing):
        shelf.find("old")
    assert shelf.find("new").path.read_text() == '{"scores": []}'
    removed = shop.clean(timedelta(days=10))
    assert (removed["scores"], removed["score_files"]) == (1, 1)


def test_a_bundle_that_no_version_refers_to_goes_and_one_that_serves_stays(shop: Shop):
    (shop.folder / "bundle").write_bytes(b"serves")
    serving_archive = shop.store.put_file("detectors", shop.folder / "bundle")
    (shop.folder / "bundle").write_bytes(b"was never published")
    shop.store.put_file("detectors", shop.folder / "bundle")
    shop._stamp()
    row = {"name": "pump", "version": 1, "digest": "d", "archive": serving_archive, "size_bytes": 1, "created_at_ms": 0}
    with write(shop.engine) as connection:
        connection.execute(insert(versions).values(**row, columns=[], card={}))
    assert shop.clean(timedelta(hours=1))["orphan_bundles"] == 0
    assert shop.clean(YEAR)["orphan_bundles"] == 1
    assert shop.store.fetch("detectors", serving_archive, shop.folder / "other").read_bytes() == b"serves"


def test_live_counts_of_an_asset_that_fell_silent_go(shop: Shop):
    now_ms = round(shop.clock.now_s * 1000)
    row = {"name": "pump", "version": 1, "limit_key": "k", "rows": 1, "alarm_rows": 0, "alarms": 0, "first_seen_ms": 0}
    with write(shop.engine) as connection:
        for asset, seen_ms in (("silent", now_ms), ("busy", now_ms + 86_400_000)):
            connection.execute(insert(live).values(**row, asset=asset, last_seen_ms=seen_ms))
    assert shop.clean(YEAR + timedelta(hours=1))["live_counts"] == 1
    with read(shop.engine) as connection:
        assert connection.scalar(select(func.max(live.c.asset))) == "busy"


def test_a_cached_file_that_nobody_needed_for_long_goes(shop: Shop):
    digest = shop.table(1.0)
    fetch_table(shop.store, digest, shop.folder / "cache", ["a"])
    cached = shop.folder / "cache" / "uploads" / digest
    os.utime(cached, (shop.clock.now_s, shop.clock.now_s))
    assert shop.clean(timedelta(hours=1))["cached_files"] == 0
    assert shop.clean(MONTH)["cached_files"] == 1
    assert not cached.exists()


async def test_an_upload_that_is_no_longer_kept_is_a_404(site: Site):
    async with serving(site, site.settings.model_copy(update={"upload_retention_days": 1})) as client:
        rows = {"content": b"a,b\n1,2\n", "headers": {"Content-Type": "text/csv"}}
        upload_id = (await client.post("/uploads", **rows)).json()["upload_id"]
        with write(site.engine) as connection:
            connection.exec_driver_sql("UPDATE anomaly_uploads SET created_at_ms = created_at_ms - 86400001")
        wanted = {"name": "pump", "training": {"upload_id": upload_id}}
        answer = await client.post("/detectors", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (404, "anomaly.upload_missing")


async def test_one_stream_too_many_is_a_503_and_those_that_are_kept_go_on(site: Site, trained: str):
    rows = plant(60)
    async with serving(site, site.settings.model_copy(update={"stream_limit": 1})) as client:

        async def push(asset: str, first: int) -> httpx.Response:
            part = body(rows[first : first + 20], first=first)
            return await client.post(f"/detectors/{trained}/stream/{asset}", json=part)

        assert (await push("acme.pump1", 0)).status_code == 200
        refused = await push("acme.pump2", 0)
        assert (refused.status_code, refused.json()["code"]) == (503, "anomaly.too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
        assert (await push("acme.pump1", 20)).status_code == 200


async def test_a_stream_that_was_forgotten_makes_room_for_another(redis_url: str):
    async with Redis.from_url(redis_url) as redis:
        short = RedisWindows(redis, space="short", keep_s=0.05, most=1)
        assert await short.replace("first", b"", b"kept", ())
        with pytest.raises(TooManyStreams):
            await short.replace("second", b"", b"kept", ())
        # Longer than it is kept, by far.
        await asyncio.sleep(0.2)
        assert (await short.read("first")).body is None
        assert await short.replace("second", b"", b"kept", ())


async def test_a_result_whose_file_is_gone_from_the_store_is_a_404(site: Site):
    with write(site.engine) as connection:
        add_scores(connection, "0" * 64, job_id="gone", asset=None, owner=None, at=datetime.now(UTC))
    async with serving(site) as client:
        answer = await client.get("/scores/gone")
    assert (answer.status_code, answer.json()["code"]) == (404, "store.missing")
