"""The use case of streams with a store that other replicas write to as well."""

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.scoring import CallLimits, TooManyRows
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.streaming import (
    Kept,
    NoStream,
    StreamBusy,
    StreamDesk,
    StreamInput,
    StreamRules,
    StreamsUnavailable,
)
from services.anomaly.domain.watch import Seen, newer_part
from services.anomaly.domain.workbench import Workbench
from services.anomaly.library import Detector
from shared.contracts.alert import Alert
from tests.conftest import SteppingClock

START = datetime(2026, 4, 1, tzinfo=UTC)
SERVED = replace(
    Detector("mahalanobis", smoothing_rows=5).fit(np.random.default_rng(0).normal(size=(400, 2)))._ready(),
    name="pump",
    version="1",
    digest="d1",
)


@dataclass
class FakeWindows:
    """Implements `streaming.WindowStore` in memory.

    Parameters
    ----------
    rivals
        So many writings are lost to another replica, which leaves what it found.
    lost_answers
        So many writings succeed without the caller hearing of it.
    """

    rivals: int = 0
    lost_answers: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    sent: list[Alert] = field(default_factory=list)
    writings: int = 0

    async def read(self, key: str) -> Kept:
        return Kept(str(self.writings).encode(), self.bodies.get(key))

    async def replace(self, key: str, token: bytes, body: bytes, alerts: Sequence[Alert]) -> bool:
        if self.rivals > 0:
            self.rivals -= 1
            self.writings += 1
        if token != str(self.writings).encode():
            return False
        self.writings += 1
        self.bodies[key] = body
        self.sent += alerts
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise StreamsUnavailable
        return True


@dataclass
class FakeObserver:
    """Implements `streaming.StreamObserver`."""

    refused: list[str] = field(default_factory=list)
    streamed_rows: list[tuple[int, int, float | None]] = field(default_factory=list)

    def streamed(self, detector: str, *, rows: int, repeated: int, lag_s: float | None) -> None:
        self.streamed_rows.append((rows, repeated, lag_s))

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None: ...

    def stream_refused(self, code: str) -> None:
        self.refused.append(code)


@dataclass
class FakeWatch:
    """Implements `watch.ScoreWatch`."""

    told: list[Seen] = field(default_factory=list)

    def seen(self, seen: Seen) -> None:
        self.told.append(seen)


@dataclass
class FakeCatalogue:
    """The part of `catalogue.Catalogue` that streams use."""

    detector: ServedDetector = SERVED

    def ready(self, name: str) -> Ready:
        return Ready(self.detector, self.detector.threshold)


@dataclass
class Place:
    """A desk and all that surrounds it."""

    desk: StreamDesk
    windows: FakeWindows
    observer: FakeObserver
    watch: FakeWatch
    catalogue: FakeCatalogue

    async def push(self, first: int, end: int, *, shift: float = 0.0):
        rows = (np.random.default_rng(1).normal(size=(100, 2)) + shift)[first:end]
        times = [START + timedelta(seconds=i) for i in range(first, end)]
        return await self.desk.push("pump", StreamInput(None, rows.tolist(), times), asset="acme.pump1")


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    windows, observer, watch, catalogue = FakeWindows(), FakeObserver(), FakeWatch(), FakeCatalogue()
    clock = SteppingClock((START + timedelta(seconds=110)).timestamp())
    with ThreadPoolExecutor(1) as pool:
        desk = StreamDesk(
            catalogue,
            Workbench(pool, places=4),
            windows,
            observer,
            clock=clock,
            limits=CallLimits(rows=200, values=1000),
            rules=StreamRules(off_delay_rows=5, kept_values=1000, ahead_s=60.0),
            watches=(watch,),
        )
        yield Place(desk, windows, observer, watch, catalogue)


async def test_call_that_loses_to_another_replica_is_made_again_on_what_that_one_left(place: Place):
    place.windows.rivals = 2
    step = await place.push(0, 20)
    assert step.repeated == 0
    assert (await place.push(0, 20)).repeated == 20


async def test_call_that_always_loses_is_asked_to_come_again(place: Place):
    place.windows.rivals = 100
    with pytest.raises(StreamBusy) as refusal:
        await place.push(0, 20)
    assert refusal.value.retry_after_s is not None
    assert place.observer.refused == ["anomaly.stream_busy"]


async def test_answer_that_was_lost_is_given_again_without_a_second_alert(place: Place):
    await place.push(0, 50)
    place.windows.lost_answers = 1
    with pytest.raises(StreamsUnavailable):
        await place.push(50, 70, shift=9.0)
    again = await place.push(50, 70, shift=9.0)
    assert (again.repeated, int(again.scored.detection.labels.sum())) == (20, 20)
    assert [alert.kind for alert in place.windows.sent] == ["anomalous_rows"]


async def test_those_who_watch_are_told_of_every_row_once(place: Place):
    await place.push(0, 50)
    await place.push(0, 50)
    await place.push(40, 60, shift=0.0)
    await place.push(60, 80, shift=9.0)
    await place.push(80, 90, shift=9.0)
    assert [len(seen.rows) for seen in place.watch.told] == [50, 10, 20, 10]
    assert [seen.alarms_begun for seen in place.watch.told] == [0, 0, 1, 0]
    assert [seen.times[0] for seen in place.watch.told] == [START + timedelta(seconds=i) for i in (0, 50, 60, 80)]
    assert {seen.asset for seen in place.watch.told} == {"acme.pump1"}
    assert place.observer.streamed_rows == [(50, 0, 61.0), (0, 50, 61.0), (10, 10, 51.0), (20, 0, 31.0), (10, 0, 21.0)]


async def test_detector_that_searches_for_its_scores_has_no_stream(place: Place):
    place.catalogue.detector = replace(SERVED, card={**SERVED.card, "realtime": False})
    with pytest.raises(NoStream, match="too slow for a stream"):
        await place.push(0, 20)


async def test_rows_of_the_future_are_refused(place: Place):
    times = [START + timedelta(seconds=i) for i in (0, 169, 171)]
    with pytest.raises(RowsRefused) as refusal:
        await place.desk.push("pump", StreamInput(None, [[0.0, 0.0]] * 3, times), asset="a")
    assert [fault.pointer for fault in refusal.value.faults] == ["/timestamps/2"]


async def test_more_rows_than_a_call_may_bring_are_refused(place: Place):
    times = [START + timedelta(milliseconds=i) for i in range(201)]
    with pytest.raises(TooManyRows):
        await place.desk.push("pump", StreamInput(None, [[0.0, 0.0]] * 201, times), asset="a")


async def test_part_that_is_newer_leaves_out_an_alarm_that_had_begun(place: Place):
    await place.push(0, 60)
    await place.push(60, 80, shift=9.0)
    seen = place.watch.told[-1]
    assert newer_part(seen, None) is seen
    assert newer_part(seen, START) is seen
    assert newer_part(seen, START + timedelta(seconds=79)) is None
    part = newer_part(seen, START + timedelta(seconds=69))
    assert part is not None
    assert (len(part.rows), len(part.detection.scores), len(part.times or ()), part.alarms_begun) == (10, 10, 10, 0)
