"""What waits to be counted while a store is away, and how much memory that takes."""

import gc
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from anyio import to_thread
from prometheus_client import CollectorRegistry

from services.anomaly.adapters import live_recorder
from services.anomaly.adapters.live_recorder import LiveRecorder
from services.anomaly.adapters.sql_live import CountKey
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.drift_tally import Recent
from services.anomaly.domain.live_counts import LiveCount
from services.anomaly.domain.streaming import StreamsUnavailable, TooManyStreams
from services.anomaly.domain.watch import Seen
from services.anomaly.library import Detector
from shared.database import DatabaseUnavailable
from shared.series import SeriesBounds
from tests.conftest import SteppingClock

START = datetime(2026, 4, 1, tzinfo=UTC)
SERVED = replace(
    Detector("mahalanobis", smoothing_rows=5).fit(np.random.default_rng(0).normal(size=(400, 2)))._ready(),
    name="pump",
    version="1",
    digest="d1",
)


@dataclass
class FakeCounts:
    """Takes counts like `SqlLiveCounts`, once its database is there."""

    there: bool = False
    taken: dict[CountKey, LiveCount] = field(default_factory=dict)

    def add(self, counts: Mapping[CountKey, LiveCount]) -> dict[CountKey, LiveCount]:
        if not self.there:
            raise DatabaseUnavailable
        self.taken |= counts
        return dict(counts)


@dataclass
class FakeDrift:
    """Takes counts like `RedisDrift`, once its Redis is there."""

    there: bool = False
    taken: dict[str, Recent] = field(default_factory=dict)

    async def add(self, key: str, newer: Recent) -> bool:
        if not self.there:
            raise StreamsUnavailable
        self.taken[key] = newer
        return True


class NoAlerts:
    def send(self, alerts: object) -> None:
        raise AssertionError(alerts)


def recorder(counts: FakeCounts, drift: FakeDrift) -> LiveRecorder:
    registry = CollectorRegistry()
    return LiveRecorder(
        counts,
        drift,
        NoAlerts(),
        clock=SteppingClock(),
        metrics=registry,
        detectors=SeriesBounds(registry, 1_000).bound("detectors", ("detector",)),
        interval_s=1.0,
    )


def seen(asset: str, rows: np.ndarray) -> Seen:
    threshold = SERVED.threshold
    return Seen(asset, Ready(SERVED, threshold), rows, SERVED.detect(rows, threshold.value), None, 0)


async def test_counts_that_wait_do_not_keep_the_rows_they_were_made_of():
    counts, drift = FakeCounts(), FakeDrift()
    live = recorder(counts, drift)
    rows = np.zeros((50, 2))
    live.seen(seen("a", rows))
    gone = weakref.ref(rows)
    del rows
    await live.flush()
    # A thread that waits remembers how its last call failed, until the next one.
    await to_thread.run_sync(gc.collect)
    assert gone() is None
    counts.there = drift.there = True
    await live.flush()
    assert [count.rows for count in counts.taken.values()] == [50 - SERVED.scorer.warmup_rows]


async def test_no_more_counts_wait_for_redis_than_memory_allows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_recorder, "_WAITING_LIMIT_TALLIES", 3)
    counts, drift = FakeCounts(there=True), FakeDrift()
    live = recorder(counts, drift)
    for asset in ("a", "b", "c", "d", "a"):
        live.seen(seen(asset, np.zeros((50, 2))))
        await live.flush()
    drift.there = True
    await live.flush()
    rows = sorted(recent.tally.rows for recent in drift.taken.values())
    # Two assets, one of them twice, and all of them together.
    assert rows == [50, 100, 250]


@dataclass
class FullDrift(FakeDrift):
    """Has no room for one asset more."""

    there: bool = True
    refused: str = "a"

    async def add(self, key: str, newer: Recent) -> bool:
        if key.endswith(f":{self.refused}"):
            raise TooManyStreams(1)
        return await super().add(key, newer)


async def test_an_asset_for_which_there_is_no_room_does_not_keep_others_from_being_stored():
    drift = FullDrift()
    live = recorder(FakeCounts(there=True), drift)
    for asset in ("a", "b"):
        live.seen(seen(asset, np.zeros((50, 2))))
    await live.flush()
    assert {key.rpartition(":")[2] for key in drift.taken} == {"", "b"}
    drift.refused = "none"
    await live.flush()
    assert {key.rpartition(":")[2] for key in drift.taken} == {"", "b"}
