"""The use case: where a model is computed, what is counted, what is watched."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from services.twin.domain.features import InputsInvalid
from services.twin.domain.intervals import Calibration, LevelInvalid, Outputs, TooFewResiduals
from services.twin.domain.prediction import Prediction
from services.twin.domain.predictor import BatchTooLarge
from services.twin.domain.serving import Choice
from services.twin.domain.values import FeatureSpec
from tests.unit.twin.fake_serving import KATO, DoublingModel, ModelBroke, stage


def row(x: Any) -> Mapping[str, Any]:
    return {"x": x, "y": 1.0}


@pytest.mark.parametrize(("row_us", "calls"), [(10.0, 0), (499.9, 0), (500.0, 1), (60_000.0, 1)])
async def test_a_slow_model_is_computed_in_the_pool_and_a_fast_one_at_once(clock: Any, row_us: float, calls: int):
    on = stage(clock, DoublingModel(row_us))
    prediction = await on.predict(4.0)
    assert (prediction.prediction, prediction.upper, len(on.pool.owners)) == (8.0, pytest.approx(8.0 + 17 / 18), calls)


async def test_a_batch_is_always_computed_in_the_pool_and_each_row_is_watched(clock: Any):
    on = stage(clock)
    answer = await on.predictor.predict_batch(None, [row(1.0), row(99.0), row(3.0)], level=0.9, requester=KATO)
    assert answer.content.successful == 2
    assert [type(result) for result in answer.content.results] == [Prediction, InputsInvalid, Prediction]
    assert [seen.prediction for seen in on.notebook.watched] == [2.0, 6.0]
    assert (on.pool.owners, on.notebook.lines) == (["d"], [("predicted", "double", "1", 2, 1)])


async def test_refused_inputs_are_counted_and_not_watched(clock: Any):
    on = stage(clock)
    with pytest.raises(InputsInvalid):
        await on.predict(99.0)
    assert (on.notebook.lines, on.notebook.watched) == ([("refused", "double", "1")], [])


async def test_a_batch_over_the_limit_is_refused_before_anything_is_computed(clock: Any):
    on = stage(clock)
    with pytest.raises(BatchTooLarge) as refusal:
        await on.predictor.predict_batch(None, [row(1.0)] * 4, level=0.9, requester=KATO)
    assert (refusal.value.facts, on.pool.owners) == ({"limit_rows": 3, "rows": 4}, [])
    with pytest.raises(BatchTooLarge):
        await on.predictor.predict_matrix(None, None, np.ones((4, 2)), level=0.9, requester=KATO)


@pytest.mark.parametrize("inputs", [[], [row(1.0)], [{}]])
async def test_a_level_that_the_calibration_cannot_give_is_refused_whatever_the_batch_holds(
    clock: Any, inputs: list[Mapping[str, float]]
):
    with pytest.raises(TooFewResiduals):
        await stage(clock).predictor.predict_batch(None, inputs, level=0.99, requester=KATO)


@pytest.mark.parametrize("x", [4.0, {"quality": "bad"}])
async def test_a_level_that_makes_no_sense_is_refused_whatever_the_inputs_are(clock: Any, x: Any):
    with pytest.raises(LevelInvalid):
        await stage(clock).predict(x, level=1.0)


async def test_an_uncertain_value_is_used_and_puts_the_row_at_the_edge(clock: Any):
    on = stage(clock)
    (sure, unsure) = [await on.predict({"value": 4.0, "quality": quality}) for quality in ("good", "uncertain")]
    assert sure.prediction == unsure.prediction
    assert (sure.applicability.state, unsure.applicability.state) == ("in", "edge")
    assert unsure.applicability.features == ("x",)


async def test_a_correction_moves_the_answer_of_rows_batches_and_matrices_alike(clock: Any):
    class OneHigher:
        revision = 7

        def of(self, model: str, version: str) -> "OneHigher":
            assert (model, version) == ("double", "1")
            return self

        def correct(self, calibration: Calibration, outputs: Outputs, level: float) -> tuple[Any, Any, Any]:
            lower, upper = calibration.bounds(outputs, level)
            return outputs.prediction + 1.0, lower + 1.0, upper + 1.0

    on = stage(clock, corrections=OneHigher())
    batch = await on.predictor.predict_batch(None, [row(4.0)], level=0.9, requester=KATO)
    matrix = await on.predictor.predict_matrix(None, None, np.array([[4.0, 1.0]]), level=0.9, requester=KATO)
    single = await on.predict(4.0)
    assert single == batch.content.results[0] == matrix.content.predictions()[0]
    assert (single.prediction, single.lower) == (9.0, pytest.approx(9.0 - 17 / 18))


async def test_an_experiment_chooses_the_version_and_its_name_is_in_every_answer(clock: Any):
    active, other = DoublingModel(), DoublingModel(version="2", factor=3.0)
    on = stage(clock, active, other, choice=Choice("challenger", "2"))
    single = await on.predict(4.0)
    batch = (await on.predictor.predict_batch(None, [row(4.0)], level=0.9, requester=KATO)).content
    matrix = (await on.predictor.predict_matrix(None, None, np.ones((1, 2)), level=0.9, requester=KATO)).content
    assert (single.prediction, single.version, single.variant) == (12.0, "2", "challenger")
    assert (batch.version, batch.variant, batch.results[0]) == ("2", "challenger", single)
    assert (matrix.version, matrix.variant) == ("2", "challenger")
    asked = (await on.predictor.predict_matrix(None, "1", np.ones((1, 2)), level=0.9, requester=KATO)).content
    assert (asked.version, asked.variant) == ("1", None)


async def test_shadows_are_compared_and_never_answer(clock: Any):
    failing = DoublingModel(version="3", failing=ModelBroke("broken"))
    on = stage(
        clock,
        DoublingModel(),
        DoublingModel(version="2", factor=3.0),
        failing,
        choice=Choice("champion", "1", shadows=("2", "3")),
    )
    assert (await on.predict(4.0)).prediction == 8.0
    await on.shadows.close()
    assert [line for line in on.notebook.lines if line[0] != "predicted"] == [
        ("compared", 8.0, "2", 12.0),
        ("shadow_failed", "double", "3"),
    ]


async def test_of_too_many_shadows_at_once_the_rest_is_left_out(clock: Any):
    on = stage(clock, choice=Choice("champion", "1", shadows=("1",) * 70))
    await on.predict(4.0)
    await on.shadows.close()
    assert sum(line[0] == "compared" for line in on.notebook.lines) == 64
    assert sum(line[0] == "shadow_failed" for line in on.notebook.lines) == 6


async def test_a_sensor_that_stands_still_while_others_move_is_reported_and_counted(clock: Any):
    on = stage(clock, stuck_after=5)
    answers = [await on.predict(4.0, y=float(number)) for number in range(6)]
    assert [len(answer.stuck) for answer in answers] == [0, 0, 0, 0, 1, 1]
    assert (answers[5].stuck[0].feature, answers[5].stuck[0].value, answers[5].stuck[0].repeats) == ("x", 4.0, 6)
    assert [line for line in on.notebook.lines if line[0] == "stuck"] == [("stuck", "double", 1)] * 2
    assert (await on.predict(4.1)).stuck == ()


async def test_every_row_of_a_matrix_is_watched_under_the_names_of_its_features(clock: Any):
    on = stage(clock, DoublingModel())
    await on.predictor.predict_matrix(None, None, np.array([[1.0, 0.0], [2.0, 0.0]]), level=0.9, requester=KATO)
    assert [seen.prediction for seen in on.notebook.watched] == [2.0, 4.0]
    assert FeatureSpec("x").facts() == {"feature": "x"}
