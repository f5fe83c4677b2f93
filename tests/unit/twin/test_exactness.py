"""The exactness trap: quantised sensor values, scaling, and thresholds that float32 cannot hold."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from services.twin.packaging import trees
from services.twin.packaging.convert import ConvertedModel, convert
from services.twin.packaging.errors import EstimatorUnsupported, NotExact
from services.twin.packaging.parity import check_parity
from services.twin.packaging.reference import Reference
from services.twin.packaging.trees import round_down
from shared.onnx.session import OnnxSession

RNG = np.random.default_rng(0)


def sensor_rows(count: int) -> np.ndarray:
    """Temperature, pressure and flow as plant sensors report them: multiples of 0.01."""
    raw = np.stack([RNG.normal(19.65, 7.45, count), RNG.normal(1013.3, 5.9, count), RNG.uniform(25, 82, count)], axis=1)
    return np.round(raw, 2)


def response(rows: np.ndarray) -> np.ndarray:
    return 454.0 - 2.0 * rows[:, 0] + 0.1 * (rows[:, 1] - 1013) + np.sin(rows[:, 2] / 5.0) * 4.0


ROWS = sensor_rows(2_000)
TARGET = response(ROWS)
UNSEEN = sensor_rows(20_000)


def predict(converted: ConvertedModel, rows: np.ndarray) -> np.ndarray:
    return OnnxSession(converted.data, converted.graph).run(rows)["prediction"]


def wrong(found: np.ndarray, expected: np.ndarray) -> int:
    return int(np.sum(np.abs(found - expected) > 1e-3))


@pytest.fixture(scope="module")
def forest() -> RandomForestRegressor:
    return RandomForestRegressor(20, random_state=0, n_jobs=1)


def test_no_row_of_a_quantised_sensor_is_wrong_where_plain_float32_gets_many_wrong(
    forest: RandomForestRegressor, monkeypatch: pytest.MonkeyPatch
):
    scaler = StandardScaler().fit(ROWS)
    forest.fit(scaler.transform(ROWS), TARGET)
    expected = forest.predict(scaler.transform(UNSEEN))
    assert wrong(predict(convert(forest, scaler), UNSEEN), expected) == 0

    # What a converter does that scales in float32 and rounds thresholds to nearest.
    monkeypatch.setattr(trees, "round_down", lambda thresholds: thresholds.astype(np.float32))
    single = np.float32
    scaled = (UNSEEN.astype(single) - scaler.mean_.astype(single)) / scaler.scale_.astype(single)
    assert wrong(predict(convert(forest, None), scaled.astype(np.float64)), expected) > 100


@pytest.mark.parametrize("threshold", [0.1, 1013.005, -3.7, 1e-40, 16777217.0, 0.5])
def test_a_threshold_is_rounded_down_to_the_largest_float32_that_is_not_above_it(threshold: float):
    (rounded,) = round_down(np.array([threshold]))
    assert rounded <= threshold < float(np.nextafter(rounded, np.float32(np.inf)))


def test_rows_exactly_on_thresholds_go_the_way_of_the_estimator(forest: RandomForestRegressor):
    rows = np.arange(400.0)[:, np.newaxis] * 0.1
    forest.fit(rows, np.sin(rows[:, 0]))
    on = np.concatenate([tree.tree_.threshold[tree.tree_.feature >= 0] for tree in forest.estimators_])[:, np.newaxis]
    assert wrong(predict(convert(forest, None), on), forest.predict(on)) == 0


@pytest.mark.parametrize(
    ("estimator", "scaler"),
    [
        (RandomForestRegressor(5, max_depth=6, random_state=0), None),
        (RandomForestRegressor(5, random_state=0), MinMaxScaler()),
        (ExtraTreesRegressor(5, random_state=0), RobustScaler()),
        (make_pipeline(StandardScaler(), ExtraTreesRegressor(5, random_state=0)), None),
        (make_pipeline(StandardScaler(with_mean=False), "passthrough", RandomForestRegressor(3, random_state=0)), None),
        (make_pipeline(MinMaxScaler(), Ridge()), StandardScaler()),
        (LinearRegression(), None),
        (LinearRegression(fit_intercept=False), StandardScaler(with_std=False)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_supported_estimator_passes_the_gate(estimator: BaseEstimator, scaler: BaseEstimator | None):
    reference = Reference(estimator, scaler).refit(ROWS, TARGET)
    converted = convert(reference.estimator, reference.scaler)
    report = check_parity(OnnxSession(converted.data, converted.graph), converted, reference, ROWS, [0.01, None, None])
    assert report.rows == 20_000
    assert report.rows_on_grid >= 10_000
    assert report.largest_difference <= report.tolerance


def test_the_gate_refuses_thresholds_rounded_to_nearest(forest: RandomForestRegressor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trees, "round_down", lambda thresholds: thresholds.astype(np.float32))
    forest.fit(ROWS, TARGET)
    converted = convert(forest, None)
    with pytest.raises(NotExact) as refusal:
        check_parity(OnnxSession(converted.data, converted.graph), converted, Reference(forest, None), ROWS, [0.01] * 3)
    assert refusal.value.facts["wrong"] > 0


def test_the_gate_sees_one_wrong_leaf_that_the_mean_of_the_trees_hides(
    forest: RandomForestRegressor, monkeypatch: pytest.MonkeyPatch
):
    # A pressure in Pa: float32 rounding of such a mean may be larger than what one wrong tree among many moves it.
    forest.fit(ROWS, TARGET * 0.01 + 1e6)
    reference = Reference(forest, None)
    monkeypatch.setattr(trees, "round_down", lambda thresholds: thresholds.astype(np.float32))
    converted = convert(forest, None)
    session = OnnxSession(converted.data, converted.graph)
    with pytest.raises(NotExact) as refusal:
        check_parity(session, converted, reference, ROWS, [0.01] * 3)
    assert refusal.value.facts["largest_difference"] <= refusal.value.facts["tolerance"]


def test_one_run_gives_the_mean_and_the_spread_of_the_trees(forest: RandomForestRegressor):
    forest.fit(ROWS, TARGET)
    converted = convert(forest, None)
    outputs = OnnxSession(converted.data, converted.graph).run(UNSEEN[:500])
    each = np.stack([tree.predict(UNSEEN[:500]) for tree in forest.estimators_], axis=1)
    np.testing.assert_allclose(outputs["trees"], each, rtol=1e-6)
    np.testing.assert_allclose(outputs["prediction"], each.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(outputs["spread"], each.std(axis=1), atol=1e-4)


def test_a_forest_whose_trees_never_split_predicts_the_mean():
    forest = RandomForestRegressor(3, max_depth=1, random_state=0, bootstrap=False).fit(ROWS, np.full(len(ROWS), 7.5))
    assert {tree.tree_.node_count for tree in forest.estimators_} == {1}
    np.testing.assert_array_equal(predict(convert(forest, None), ROWS[:5]), [7.5] * 5)


@pytest.mark.parametrize(
    ("estimator", "scaler"),
    [
        (LinearRegression(), LinearRegression()),
        (type("MyForest", (RandomForestRegressor,), {})(3), None),
    ],
)
def test_what_cannot_be_converted_exactly_is_refused(estimator: BaseEstimator, scaler: BaseEstimator | None):
    if scaler is not None:
        scaler.fit(ROWS, TARGET)
    with pytest.raises(EstimatorUnsupported):
        convert(estimator.fit(ROWS, TARGET), scaler)


@pytest.mark.parametrize("estimator", [RandomForestRegressor(2), LinearRegression()])
def test_a_model_with_two_targets_is_refused(estimator: BaseEstimator):
    with pytest.raises(EstimatorUnsupported, match="one target"):
        convert(estimator.fit(ROWS, np.stack([TARGET, TARGET], axis=1)), None)
