"""Fail-safe policies: what is answered where the model cannot."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest

from services.twin.domain.fail_safe import FailSafe, FailSafePolicy
from services.twin.domain.features import InputsInvalid, QualityBad
from services.twin.domain.intervals import TooFewResiduals
from services.twin.domain.prediction import Prediction, PredictionNotFinite
from services.twin.domain.serving import DeadlineMissed, PoolFull
from tests.unit.twin.fake_serving import BAD, KATO, DoublingModel, Halving, ModelBroke, stage

T = TypeVar("T")
HOLD = FailSafe(FailSafePolicy.HOLD, hold_limit_s=60.0)
FALLBACK = FailSafe(FailSafePolicy.FALLBACK)
BROKE = ModelBroke("broken")


class HangingPool:
    """Never answers."""

    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        await asyncio.Event().wait()
        return call()


class FullPool:
    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        raise PoolFull


def policies(lines: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    return [(line[2], line[3]) for line in lines if line[0] == "failed_safe"]


@pytest.mark.parametrize(
    ("failing", "x", "error", "cause"),
    [
        (None, BAD, QualityBad, "quality_bad"),
        (BROKE, 4.0, ModelBroke, "failed"),
        (float("nan"), 4.0, PredictionNotFinite, "failed"),
    ],
)
async def test_a_model_that_rejects_says_why_and_counts(
    clock: Any, failing: Any, x: Any, error: type[Exception], cause: str
):
    on = stage(clock, DoublingModel(failing=failing))
    with pytest.raises(error):
        await on.predict(x)
    assert on.notebook.lines == [("failed_safe", "double", "reject", cause), ("refused", "double", "1")]


@pytest.mark.parametrize(
    ("failing", "x", "cause"),
    [(None, BAD, "quality_bad"), (BROKE, 5.0, "failed"), (float("inf"), 5.0, "failed")],
)
async def test_a_model_that_holds_repeats_its_last_good_prediction_with_its_age(
    clock: Any, failing: Any, x: Any, cause: str
):
    model = DoublingModel(fail_safe=HOLD)
    on = stage(clock, model)
    good = await on.predict(4.0)
    model.failing = failing
    clock.step(12.5)
    held = await on.predict(x)
    assert (held.prediction, held.lower, held.upper) == (good.prediction, good.lower, good.upper)
    assert (held.status, held.age_s, held.from_cache) == ("hold", 12.5, False)
    assert policies(on.notebook.lines) == [("hold", cause)]


async def test_what_is_held_grows_too_old(clock: Any):
    on = stage(clock, DoublingModel(fail_safe=HOLD))
    await on.predict(4.0)
    clock.step(60.0)
    assert (await on.predict(BAD)).age_s == 60.0
    clock.step(0.001)
    with pytest.raises(QualityBad):
        await on.predict(BAD)
    assert policies(on.notebook.lines) == [("hold", "quality_bad"), ("reject", "quality_bad")]


async def test_what_is_held_belongs_to_one_asset_and_one_level(clock: Any):
    on = stage(clock, DoublingModel(fail_safe=HOLD))
    await on.predict(4.0)
    with pytest.raises(QualityBad):
        await on.predict(BAD, level=0.8)
    with pytest.raises(QualityBad):
        await on.predictor.predict(None, {"x": BAD, "y": 1.0}, level=0.9, requester=type(KATO)("kato", "acme.r102"))


async def test_what_is_held_belongs_to_one_version_as_another_may_predict_in_another_unit(clock: Any):
    former, successor = DoublingModel(fail_safe=HOLD), DoublingModel(fail_safe=HOLD, failing=BROKE)
    on = stage(clock, former)
    await on.predict(4.0)
    on.models.versions = (dataclasses.replace(successor, version="2"),)
    with pytest.raises(ModelBroke):
        await on.predict(4.0)
    on.models.versions = (former,)
    assert (await on.predict(BAD)).version == "1"


async def test_a_held_prediction_is_not_held_again(clock: Any):
    on = stage(clock, DoublingModel(fail_safe=HOLD))
    await on.predict(4.0)
    for _ in range(3):
        clock.step(20.0)
        held = await on.predict(BAD)
    assert held.age_s == 60.0


@pytest.mark.parametrize(("failing", "x", "expected", "named"), [(None, BAD, 0.5, ("x",)), (BROKE, 4.0, 2.5, ())])
async def test_the_surrogate_answers_without_the_bad_values(
    clock: Any, failing: Any, x: Any, expected: float, named: tuple[str, ...]
):
    on = stage(clock, DoublingModel(fail_safe=FALLBACK, fallback=Halving(), failing=failing))
    found = await on.predict(x)
    assert (found.prediction, found.lower, found.status, found.age_s) == (expected, expected - 9.0, "fallback", 0.0)
    assert found.applicability.features[: len(named)] == named
    assert named == () or found.applicability.state == "edge"


class NoInterval:
    def predict(self, values: Any, level: float) -> tuple[float, float, float]:
        raise TooFewResiduals(level=level, count=1, needed=9)


class Overflowing:
    def predict(self, values: Any, level: float) -> tuple[float, float, float]:
        return float("nan"), 0.0, 0.0


@pytest.mark.parametrize("surrogate", [None, NoInterval(), Overflowing()])
async def test_where_the_surrogate_has_no_answer_the_first_fault_is_told(clock: Any, surrogate: Any):
    on = stage(clock, DoublingModel(fail_safe=FALLBACK, fallback=surrogate))
    with pytest.raises(QualityBad):
        await on.predict(BAD)
    assert policies(on.notebook.lines) == [("reject", "quality_bad")]


@pytest.mark.parametrize("policy", list(FailSafePolicy))
async def test_a_malformed_request_stays_refused_whatever_the_policy(clock: Any, policy: FailSafePolicy):
    on = stage(clock, DoublingModel(fail_safe=FailSafe(policy), fallback=Halving()))
    await on.predict(4.0)
    for x in (99.0, "4", None, {"value": 4.0, "quality": "odd"}):
        with pytest.raises(InputsInvalid):
            await on.predict(x)
    assert policies(on.notebook.lines) == []


async def test_a_missed_deadline_and_a_full_pool_are_failures_of_the_model(clock: Any):
    slow = DoublingModel(1_000.0, fail_safe=FailSafe(FailSafePolicy.FALLBACK, deadline_s=0.01), fallback=Halving())
    for pool, cause in ((HangingPool(), "deadline"), (FullPool(), "busy")):
        on = stage(clock, slow, pool=pool)
        assert (await on.predict(4.0)).status == "fallback"
        assert policies(on.notebook.lines) == [("fallback", cause)]


async def test_a_model_that_rejects_tells_of_its_missed_deadline(clock: Any):
    on = stage(clock, DoublingModel(1_000.0, fail_safe=FailSafe(deadline_s=0.01)), pool=HangingPool())
    with pytest.raises(DeadlineMissed, match=r"within 0\.01 s"):
        await on.predict(4.0)


async def test_each_row_of_a_batch_is_stood_in_for_in_order(clock: Any):
    on = stage(clock, DoublingModel(fail_safe=HOLD))
    inputs = [{"x": BAD, "y": 1.0}, {"x": 4.0, "y": 1.0}, {"x": BAD, "y": 1.0}]
    batch = (await on.predictor.predict_batch(None, inputs, level=0.9, requester=KATO)).content
    assert [type(result) for result in batch.results] == [QualityBad, Prediction, Prediction]
    held = batch.results[2]
    assert isinstance(held, Prediction)
    assert (held.status, held.prediction, batch.successful) == ("hold", 8.0, 2)


async def test_a_model_that_fails_a_batch_falls_back_for_all_of_it_or_refuses_it_as_a_whole(clock: Any):
    inputs = [{"x": 4.0, "y": 1.0}, {"x": "?", "y": 1.0}]
    on = stage(clock, DoublingModel(fail_safe=FALLBACK, fallback=Halving(), failing=BROKE))
    batch = (await on.predictor.predict_batch(None, inputs, level=0.9, requester=KATO)).content
    assert [getattr(result, "status", "error") for result in batch.results] == ["fallback", "error"]
    refusing = stage(clock, DoublingModel(failing=BROKE))
    with pytest.raises(ModelBroke):
        await refusing.predictor.predict_batch(None, inputs, level=0.9, requester=KATO)


async def test_a_matrix_takes_no_policy(clock: Any):
    on = stage(clock, DoublingModel(fail_safe=FALLBACK, fallback=Halving(), failing=BROKE))
    with pytest.raises(ModelBroke):
        await on.predictor.predict_matrix(None, None, np.ones((1, 2)), level=0.9, requester=KATO)


@pytest.mark.parametrize("times_s", [{"deadline_s": 1.01}, {"deadline_s": 0.0}, {"hold_limit_s": float("inf")}])
def test_a_fail_safe_that_makes_no_sense_is_refused(times_s: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(times_s))):
        FailSafe(**times_s)
