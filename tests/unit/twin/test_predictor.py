"""The use case: where a model is computed, what is counted, what is watched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest

from services.twin.domain.applicability import ApplicabilityCheck, learn_region
from services.twin.domain.features import FeatureSpec, InputReader, InputsInvalid
from services.twin.domain.intervals import Calibration, IntervalMethod, TooFewResiduals
from services.twin.domain.prediction import Prediction
from services.twin.domain.predictor import BatchTooLarge, Predictor, Requester

T = TypeVar("T")
KATO = Requester("kato", "acme.r101")


@dataclass
class DoublingModel:
    """Predicts twice its only input."""

    row_us: float = 10.0
    name: str = "double"
    version: str = "1"
    digest: str = "d"
    unit: str | None = None
    reader: InputReader = field(default_factory=lambda: InputReader([FeatureSpec("x", None, (0.0, 10.0))]))
    calibration: Calibration = field(
        default_factory=lambda: Calibration(IntervalMethod.SPLIT, np.linspace(0.0, 1.0, 19))
    )
    applicability: ApplicabilityCheck = field(
        default_factory=lambda: ApplicabilityCheck(["x"], learn_region(np.linspace(0, 10, 50)[:, np.newaxis]))
    )

    def compute(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 2.0 * rows[:, 0], np.zeros(len(rows))


class Shelf:
    def __init__(self, model: DoublingModel) -> None:
        self.model = model

    async def get(self, _name: str | None) -> DoublingModel:
        return self.model


class CountingPool:
    def __init__(self) -> None:
        self.calls = 0

    async def run(self, call: Callable[[], T]) -> T:
        self.calls += 1
        return call()


class Notebook:
    """Meter and watch in one."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.watched: list[float] = []

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        assert duration_s >= 0
        self.lines.append(("predicted", model, version, rows, refused))

    def refused(self, model: str, version: str) -> None:
        self.lines.append(("refused", model, version))

    def seen(self, prediction: Prediction, inputs: Mapping[str, Any], requester: Requester) -> None:
        assert requester == KATO
        assert prediction.prediction == 2.0 * inputs["x"]
        self.watched.append(prediction.prediction)


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def pool() -> CountingPool:
    return CountingPool()


@pytest.fixture
def make(notebook: Notebook, pool: CountingPool, clock: Any) -> Callable[..., Predictor]:
    def make(row_us: float = 10.0) -> Predictor:
        return Predictor(
            models=Shelf(DoublingModel(row_us)),
            pool=pool,
            meter=notebook,
            watch=notebook,
            clock=clock,
            batch_limit_rows=3,
        )

    return make


@pytest.mark.parametrize(("row_us", "calls"), [(10.0, 0), (499.9, 0), (500.0, 1), (60_000.0, 1)])
async def test_a_slow_model_is_computed_in_the_pool_and_a_fast_one_at_once(
    make: Callable[..., Predictor], pool: CountingPool, row_us: float, calls: int
):
    answer = await make(row_us).predict(None, {"x": 4.0}, level=0.9, requester=KATO)
    assert (answer.content.prediction, answer.content.upper, pool.calls) == (8.0, pytest.approx(8.0 + 17 / 18), calls)


async def test_a_batch_is_always_computed_in_the_pool_and_each_row_is_watched(
    make: Callable[..., Predictor], pool: CountingPool, notebook: Notebook
):
    inputs: Sequence[Mapping[str, Any]] = [{"x": 1.0}, {"x": 99.0}, {"x": 3.0}]
    answer = await make().predict_batch(None, inputs, level=0.9, requester=KATO)
    assert answer.content.successful == 2
    assert [type(result) for result in answer.content.results] == [Prediction, InputsInvalid, Prediction]
    assert (pool.calls, notebook.watched, notebook.lines) == (1, [2.0, 6.0], [("predicted", "double", "1", 2, 1)])


async def test_refused_inputs_are_counted_and_not_watched(make: Callable[..., Predictor], notebook: Notebook):
    with pytest.raises(InputsInvalid):
        await make().predict(None, {"x": 99.0}, level=0.9, requester=KATO)
    assert (notebook.lines, notebook.watched) == ([("refused", "double", "1")], [])


async def test_a_batch_over_the_limit_is_refused_before_anything_is_computed(
    make: Callable[..., Predictor], pool: CountingPool
):
    with pytest.raises(BatchTooLarge) as refusal:
        await make().predict_batch(None, [{"x": 1.0}] * 4, level=0.9, requester=KATO)
    assert (refusal.value.facts, pool.calls) == ({"limit_rows": 3, "rows": 4}, 0)


@pytest.mark.parametrize("inputs", [[], [{"x": 1.0}], [{}]])
async def test_a_level_that_the_calibration_cannot_give_is_refused_whatever_the_batch_holds(
    make: Callable[..., Predictor], inputs: list[dict[str, float]]
):
    with pytest.raises(TooFewResiduals):
        await make().predict_batch(None, inputs, level=0.99, requester=KATO)
