"""Which observations reach the records, in which order and with which versions; metrics of few versions only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.twin.adapters import sql_observations
from services.twin.adapters.local_live import LocalLive
from services.twin.adapters.quality_metrics import QualityMetrics
from services.twin.adapters.sql_observations import SqlObservations
from services.twin.domain.features import FeatureSpec, InputReader
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs
from services.twin.domain.live_quality import Learner, LiveState, Measured
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.observed import Comparison, Expectation, Kept
from services.twin.domain.observing import Observer
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.registry import VersionMissing
from shared.database import DatabaseUnavailable, open_engine
from shared.errors import AppError
from tests.unit.twin.twin_service import Bench

T = TypeVar("T")
CALIBRATION = Calibration(IntervalMethod.SPLIT, np.arange(1.0, 101.0))
EXPECTATION = Expectation(None, None, None)
NOW_MS = 1_800_000_000_000


@dataclass
class FakeModel:
    """Predicts the sum of its features, of which there may be others in another version."""

    version: str
    features: tuple[str, ...] = ("temp",)
    name: str = "yield"
    unit: str | None = None
    live: LiveSettings = field(default_factory=LiveSettings)
    expectation: Expectation = EXPECTATION
    calibration: Calibration = CALIBRATION
    digest: str = "d"

    @property
    def reader(self) -> InputReader:
        return InputReader([FeatureSpec(name) for name in self.features])

    def compute(self, rows: np.ndarray) -> Outputs:
        # As a graph does: without a word where the answer is no number.
        with np.errstate(over="ignore"):
            return Outputs(rows.sum(axis=1))


class FakeModels:
    def __init__(self, *versions: FakeModel) -> None:
        self.by_version = {model.version: model for model in versions}

    async def get(self, _name: str | None) -> Any:
        return self.by_version["1"]

    async def get_version(self, name: str, version: str) -> Any:
        if version not in self.by_version:
            raise VersionMissing(name, version)
        return self.by_version[version]

    def versions(self, _model: str) -> tuple[str, ...]:
        return ("1", "2", "withdrawn")


class FakeRecords:
    """Keeps nothing, and remembers what it was asked to keep."""

    def __init__(self, *, away: bool = False) -> None:
        self.away, self.taken = away, list[Comparison]()

    async def record(
        self, comparisons: Sequence[Comparison], *, user: str, received_at_ms: int
    ) -> Sequence[Mapping[str, Kept]]:
        assert user == "kato"
        if self.away:
            raise DatabaseUnavailable
        self.taken += comparisons
        return [
            {version: self._kept(one, *parts, received_at_ms) for version, parts in one.versions.items()}
            for one in comparisons
        ]

    async def state(self, _model: str, _version: str) -> LiveState:
        return LiveState()

    def _kept(self, one: Comparison, learner: Learner, outputs: Outputs, received_at_ms: int) -> Kept:
        measured = Measured(outputs, one.actual, one.observed_at_ms, received_at_ms)
        return Kept(one.actual, one.observed_at_ms, LiveState().observe(measured, learner)[1], duplicate=False)


class InlinePool:
    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        assert owner
        return call()


def observer(models: FakeModels, records: FakeRecords, clock: Any) -> Observer:
    return Observer(models=models, versions=models, records=records, pool=InlinePool(), clock=clock, limit_rows=10)


def row(actual: float, minute: int, **changes: Any) -> dict[str, Any]:
    return {"inputs": {"temp": 1.0}, "actual": actual, "timestamp": f"2026-04-01T00:{minute:02d}:00Z", **changes}


async def test_observations_are_learned_in_the_order_of_their_measurement_and_answered_in_that_of_the_request(
    clock: Any,
):
    records = FakeRecords()
    found = await observer(FakeModels(FakeModel("1")), records, clock).observe_many(
        [row(3.0, 3), row(1.0, 1), row(2.0, 2)], "", user="kato"
    )
    assert [one.actual for one in records.taken] == [1.0, 2.0, 3.0]
    assert [one.actual for one in found if not isinstance(one, AppError)] == [3.0, 1.0, 2.0]


async def test_every_observed_version_is_compared_unless_it_takes_other_inputs_or_is_gone(clock: Any):
    for features, compared in ((("temp",), {"1", "2"}), (("temp", "flow"), {"1"})):
        records = FakeRecords()
        models = FakeModels(FakeModel("1"), FakeModel("2", features))
        await observer(models, records, clock).observe(row(3.0, 3), user="kato")
        assert set(records.taken[0].versions) == compared


async def test_an_answer_that_is_no_number_is_told_and_does_not_hold_up_the_others(clock: Any):
    records = FakeRecords()
    found = await observer(FakeModels(FakeModel("1", ("temp", "flow"))), records, clock).observe_many(
        [row(1.0, 1, inputs={"temp": 1e308, "flow": 1e308}), row(1.0, 2, inputs={"temp": 1.0, "flow": 2.0})],
        "",
        user="kato",
    )
    assert isinstance(found[0], PredictionNotFinite)
    assert not isinstance(found[1], AppError)
    assert len(records.taken) == 1


async def test_without_the_records_the_whole_request_is_refused(clock: Any):
    watching = observer(FakeModels(FakeModel("1")), FakeRecords(away=True), clock)
    with pytest.raises(DatabaseUnavailable):
        await watching.observe_many([row(1.0, 1), 7], "", user="kato")


def test_only_the_versions_observed_last_have_series():
    registry = CollectorRegistry()
    metrics = QualityMetrics(registry, versions_limit=2)
    state, _ = LiveState().observe(
        Measured(Outputs(np.zeros(1)), 1.0, NOW_MS, NOW_MS), Learner(LiveSettings(), CALIBRATION)
    )
    for version in ("1", "2", "1", "3"):
        metrics.show("yield", version, state)
        metrics.count("yield", version, new=1, duplicates=0)
    text = generate_latest(registry).decode()
    assert 'futago_twin_coverage{model="yield",version="1"} 1.0' in text
    assert 'futago_twin_residual{model="yield",version="3"} 1.0' in text
    assert 'version="2"' not in text


@pytest.mark.parametrize("temp", [1e308, 1e101])
def test_in_process_too_an_answer_that_nothing_can_be_compared_with_is_refused_and_teaches_nothing(
    clock: Any, temp: float
):
    model: Any = FakeModel("1", ("temp", "flow"))
    live = LocalLive(model, clock)
    for _ in range(10):
        with pytest.raises(PredictionNotFinite):
            live.observe({"temp": temp, "flow": temp}, 1.0, None)
    assert live.state == LiveState()


def test_an_observation_reads_what_is_known_of_its_own_asset_and_of_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.migrate()
    table, learner = SqlObservations(open_engine(bench.database_url)), Learner(LiveSettings(), CALIBRATION)

    def measured(asset: str) -> Comparison:
        return Comparison("yield", asset, 1.0, NOW_MS, timed=True, versions={"1": (learner, Outputs(np.zeros(1)))})

    table.record([measured(f"r{number}") for number in range(150)], user="kato", received_at_ms=NOW_MS)
    read = list[Any]()
    found = sql_observations._kept
    monkeypatch.setattr(sql_observations, "_kept", lambda row: (read.append(row.asset), found(row))[1])
    again = table.record([measured("r7"), measured("new")], user="kato", received_at_ms=NOW_MS)
    assert read == ["r7"]
    assert [kept["1"].duplicate for kept in again.kept] == [True, False]
