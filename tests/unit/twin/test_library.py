"""Package and predict in process: what a user of the library sees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from services.twin.domain.applicability import State
from services.twin.domain.features import InputsInvalid
from services.twin.domain.intervals import TooFewResiduals
from services.twin.domain.live_settings import LiveSettingsInvalid
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.library import Twin, package
from services.twin.packaging import aids
from services.twin.packaging.calibration import TooFewCalibrationRows
from services.twin.packaging.errors import DataUnusable
from shared.onnx.errors import BundleAltered, BundleMalformed, BundleUntrustedKey
from shared.onnx.signing import TrustStore

FEATURES = [
    {"name": "temp", "unit": "°C", "valid_range": (340.0, 380.0), "resolution": 0.1},
    {"name": "pressure", "unit": "bar", "valid_range": [4, 8]},
]
TARGET = {"name": "yield", "unit": "%"}


def plant(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A reactor: yield falls off from its best point, with noise that grows with temperature."""
    rng = np.random.default_rng(seed)
    rows = np.stack([np.round(rng.uniform(340, 380, count), 1), np.round(rng.uniform(4, 8, count), 2)], axis=1)
    noise = rng.normal(size=count) * (0.2 + (rows[:, 0] - 340) / 20)
    return rows, 85 - 0.05 * (rows[:, 0] - 360) ** 2 - 2 * (rows[:, 1] - 6) ** 2 + noise


X, Y = plant(1_500, 0)
X_NEW, Y_NEW = plant(4_000, 1)
# Nothing to predict, and noise that grows with temperature.
NOISE = np.random.default_rng(9).normal(size=1_500) * (0.2 + (X[:, 0] - 340) / 20)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rougher quantiles in a tenth of the time."""

    def quantile(share: float) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(loss="quantile", quantile=share, max_iter=12, max_leaf_nodes=7)

    monkeypatch.setattr(aids, "_quantile", quantile)


@pytest.fixture(scope="module")
def forest() -> RandomForestRegressor:
    return RandomForestRegressor(10, min_samples_leaf=3, random_state=0).fit(X, Y)


def make(out: Path, estimator: BaseEstimator, rows: Any = X, target: Any = Y, **changes: Any) -> Path:
    """One method alone, unless told: trying all of them takes seconds."""
    arguments = {"name": "yield", "version": "1.0", "features": FEATURES, "target": TARGET, "out": out}
    return package(estimator, rows, target, **{**arguments, "interval": "split", **changes})


def test_a_package_predicts_what_the_estimator_predicts_with_an_interval_around_it(
    tmp_path: Path, forest: RandomForestRegressor
):
    twin = Twin.load(make(tmp_path / "bundle", forest))
    found = twin.predict({"temp": 362.5, "pressure": 6.1}, level=0.9)
    assert found.prediction == pytest.approx(forest.predict([[362.5, 6.1]])[0], rel=1e-6)
    assert found.lower < found.prediction < found.upper
    assert (found.unit, found.level, found.applicability.state) == ("%", 0.9, State.IN)


def test_one_row_and_many_rows_agree(tmp_path: Path, forest: RandomForestRegressor):
    twin = Twin.load(make(tmp_path / "bundle", forest))
    prediction, lower, upper = twin.predict_many(X_NEW[:50], level=0.8)
    mappings = [{"temp": temp, "pressure": pressure} for temp, pressure in X_NEW[:50].tolist()]
    ones = [twin.predict(inputs, level=0.8) for inputs in mappings]
    np.testing.assert_allclose(prediction, [one.prediction for one in ones], rtol=1e-12)
    np.testing.assert_allclose(lower, [one.lower for one in ones], rtol=1e-12)
    np.testing.assert_allclose(upper, [one.upper for one in ones], rtol=1e-12)
    np.testing.assert_array_equal(twin.predict_many(mappings, level=0.8).prediction, prediction)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("calibration", [None, 0.25, "held back"])
@pytest.mark.parametrize("interval", ["auto", "split", "normalized", "cqr"])
def test_intervals_cover_unseen_rows_as_often_as_they_promise(
    tmp_path: Path, forest: RandomForestRegressor, calibration: Any, interval: str
):
    if calibration == "held back":
        calibration = plant(1_000, 2)
    twin = Twin.load(make(tmp_path / "bundle", forest, interval=interval, calibration=calibration))
    for level in (0.5, 0.8, 0.9, 0.95):
        _, lower, upper = twin.predict_many(X_NEW, level=level)
        coverage = np.mean((lower <= Y_NEW) & (upper >= Y_NEW))
        assert coverage >= level - 0.055
        # An interval between quantiles always holds the prediction, and at low levels that is more than it needs.
        assert coverage <= level + 0.055 or (twin.card["interval"]["method"] == "cqr" and level < 0.9)


def test_training_rows_never_calibrate_the_served_model(tmp_path: Path):
    overfitted = RandomForestRegressor(20, bootstrap=False, max_features=None, random_state=0).fit(X, Y)
    assert np.median(np.abs(overfitted.predict(X) - Y)) < 1e-9
    twin = Twin.load(make(tmp_path / "bundle", overfitted))
    _, lower, upper = twin.predict_many(X_NEW)
    assert np.mean((lower <= Y_NEW) & (upper >= Y_NEW)) == pytest.approx(0.9, abs=0.04)


@pytest.mark.usefixtures("quick")
def test_the_card_says_how_the_intervals_were_found_and_how_good_they_are(
    tmp_path: Path, forest: RandomForestRegressor
):
    card = Twin.load(make(tmp_path / "bundle", forest, interval="auto")).card
    assert json.loads(json.dumps(card, allow_nan=False)) == json.loads(json.dumps(card))
    assert card["interval"]["calibration"]["source"] == "out_of_fold"
    assert card["interval"]["calibration"]["rows"] == card["training"]["rows"] == len(X)
    evaluation = {(entry["method"], entry["level"]): entry for entry in card["interval"]["evaluation"]}
    methods = ["split", "normalized"]
    assert sorted(evaluation) == sorted((method, level) for method in methods for level in (0.5, 0.8, 0.9, 0.95, 0.99))
    assert card["interval"]["method"] == min(methods, key=lambda method: evaluation[method, 0.9]["winkler"])
    assert all(evaluation[method, 0.9]["coverage"] == pytest.approx(0.9, abs=0.03) for method in methods)
    assert card["interval"]["selection"]["coverage"] == pytest.approx(0.9, abs=0.03)
    assert card["metrics"]["rmse"] > card["training"]["fit"]["rmse"]
    assert card["exactness"]["rows"] == 20_000
    assert (card["features"][0]["unit"], card["features"][0]["valid_range"]) == ("°C", [340.0, 380.0])
    assert card["warnings"] == []


def test_the_card_says_how_the_training_rows_are_spread_and_the_error_from_fold_to_fold(
    tmp_path: Path, forest: RandomForestRegressor
):
    card = Twin.load(make(tmp_path / "bundle", forest)).card
    temp = card["training"]["features"]["temp"]
    assert temp["quantiles"]["0.5"] == np.median(X[:, 0])
    assert [float(share) for share in temp["quantiles"]] == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    assert (temp["minimum"], temp["maximum"]) == (X[:, 0].min(), X[:, 0].max())
    assert card["training"]["target"]["quantiles"]["0.95"] == pytest.approx(np.quantile(Y, 0.95))
    folds = card["metrics"]["folds"]
    assert len(folds["rmse"]) == 5
    assert np.sqrt(np.mean(np.square(folds["rmse"]))) == pytest.approx(card["metrics"]["rmse"])
    assert 0 < folds["std"] < 0.3 * folds["mean"]


def test_what_observations_may_change_is_on_the_card_as_it_was_told(tmp_path: Path):
    estimator = LinearRegression().fit(X, Y)
    assert "live" not in Twin.load(make(tmp_path / "plain", estimator)).card
    live = Twin.load(make(tmp_path / "live", estimator, live={"adaptive": True, "window_rows": 300})).card["live"]
    assert (live["adaptive"], live["bias_update"], live["window_rows"]) == (True, False, 300)
    with pytest.raises(LiveSettingsInvalid):
        make(tmp_path / "wrong", estimator, live={"adaptve": True})


def test_rows_held_back_are_said_to_be_so(tmp_path: Path, forest: RandomForestRegressor):
    card = Twin.load(make(tmp_path / "bundle", forest, calibration=plant(300, 3))).card
    assert (card["interval"]["calibration"]["source"], card["interval"]["calibration"]["rows"]) == ("held_out", 300)


def test_a_range_in_another_unit_than_the_training_rows_is_warned_of(tmp_path: Path):
    rows = np.random.default_rng(0).uniform(0, 1, (200, 2))
    estimator = LinearRegression().fit(rows, rows.sum(axis=1))
    twin = Twin.load(make(tmp_path / "bundle", estimator, rows, rows.sum(axis=1)))
    assert len(twin.card["warnings"]) == 2
    assert "temp" in twin.card["warnings"][0]
    assert twin.predict({"temp": 360.0, "pressure": 6.0}).applicability.state is State.OUT


@pytest.mark.parametrize("count", [12, 11])
def test_a_calibration_just_large_enough_is_used_and_one_row_less_refused(
    tmp_path: Path, forest: RandomForestRegressor, count: int
):
    held_back = plant(count, 4)
    if count == 12:
        twin = Twin.load(make(tmp_path / "bundle", forest, calibration=held_back))
        twin.predict({"temp": 360.0, "pressure": 6.0}, level=0.9)
        with pytest.raises(TooFewResiduals) as refusal:
            twin.predict({"temp": 360.0, "pressure": 6.0}, level=0.95)
        assert refusal.value.facts["needed"] == 19
    else:
        with pytest.raises(TooFewCalibrationRows) as caught:
            make(tmp_path / "bundle", forest, calibration=held_back)
        assert caught.value.facts == {"needed": 12, "count": 11}
        assert not (tmp_path / "bundle").exists()


def test_a_linear_model_with_its_scaler_is_served_from_raw_values(tmp_path: Path):
    scaler = StandardScaler().fit(X)
    estimator = LinearRegression().fit(scaler.transform(X), Y)
    twin = Twin.load(make(tmp_path / "bundle", estimator, scaler=scaler))
    expected = estimator.predict(scaler.transform(X_NEW))
    np.testing.assert_allclose(twin.predict_many(X_NEW).prediction, expected, rtol=1e-12)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("interval", "output"), [("normalized", "spread"), ("cqr", "upper_quantile")])
def test_a_model_that_knows_no_spread_gets_models_beside_it_that_follow_the_noise(
    tmp_path: Path, interval: str, output: str
):
    twin = Twin.load(make(tmp_path / "bundle", LinearRegression().fit(X, NOISE), target=NOISE, interval=interval))
    quiet, loud = (twin.predict({"temp": temp, "pressure": 6.0}) for temp in (345.0, 375.0))
    assert loud.upper - loud.lower > 1.5 * (quiet.upper - quiet.lower)
    outputs = json.loads((tmp_path / "bundle" / "manifest.json").read_text())["graph"]["outputs"]
    assert output in [tensor["name"] for tensor in outputs]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("interval", "needed"), [("normalized", 167), ("cqr", 667)])
def test_too_few_rows_for_the_models_of_an_interval_are_refused_with_the_number_needed(
    tmp_path: Path, interval: str, needed: int
):
    rows, target = X[: needed - 1], Y[: needed - 1]
    with pytest.raises(TooFewCalibrationRows) as caught:
        make(tmp_path / "bundle", LinearRegression().fit(rows, target), rows, target, interval=interval)
    assert caught.value.facts == {"needed": needed, "count": needed - 1}
    rows, target = X[:needed], Y[:needed]
    make(tmp_path / "bundle", LinearRegression().fit(rows, target), rows, target, interval=interval)


@pytest.mark.parametrize(
    ("rows", "target"),
    [
        (X[:, :1], Y),
        (np.column_stack([X, Y]), Y),
        (X, Y[:-1]),
        (X, np.column_stack([Y, Y])),
        (np.where(X > 379, np.nan, X), Y),
        (X, np.where(Y > 84, np.inf, Y)),
        (X[:0], Y[:0]),
        (X[0], Y),
        (X, 5.0),
        ([["1", "2"], ["3", "4"], ["a", "b"]], Y[:3]),
        (X[:9], Y[:9]),
    ],
)
def test_rows_that_cannot_be_the_training_rows_are_refused(
    tmp_path: Path, forest: RandomForestRegressor, rows: Any, target: Any
):
    with pytest.raises(DataUnusable):
        make(tmp_path / "bundle", forest, rows, target)


class Table:
    """The part of a data frame that counts: named columns and an array."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(X, dtype)


def test_a_table_with_its_columns_in_another_order_is_refused(tmp_path: Path, forest: RandomForestRegressor):
    make(tmp_path / "bundle", forest, Table(["temp", "pressure"]))
    with pytest.raises(DataUnusable, match="same order"):
        make(tmp_path / "bundle", forest, Table(["pressure", "temp"]))


def test_an_estimator_that_was_never_fitted_is_refused(tmp_path: Path):
    with pytest.raises(NotFittedError):
        make(tmp_path / "bundle", RandomForestRegressor())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../yield"},
        {"version": ""},
        {"features": FEATURES[:1]},
        {"features": [{"name": "temp", "range": [1, 2]}, {"name": "pressure"}]},
        {"features": [{"name": "temp", "valid_range": (380, 340)}, {"name": "pressure"}]},
        {"features": [{"name": "temp"}, {"name": "temp"}]},
        {"target": {}},
        {"target": {"name": "yield", "units": "%"}},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, forest: RandomForestRegressor, changes: dict):
    with pytest.raises((BundleMalformed, DataUnusable)):
        make(tmp_path / "bundle", forest, **changes)


def test_every_fault_of_the_inputs_is_listed(tmp_path: Path, forest: RandomForestRegressor):
    twin = Twin.load(make(tmp_path / "bundle", forest))
    with pytest.raises(InputsInvalid) as refusal:
        twin.predict({"temp": 900.0, "presure": 6.0})
    assert [fault.pointer for fault in refusal.value.faults] == ["/temp", "/pressure", "/presure"]


def test_a_changed_bundle_and_one_from_elsewhere_are_not_loaded(
    tmp_path: Path, home: Path, forest: RandomForestRegressor
):
    folder = make(tmp_path / "bundle", forest)
    with pytest.raises(BundleUntrustedKey):
        Twin.load(folder, TrustStore(tmp_path / "nobody"))
    assert Twin.load(folder, TrustStore(home / "trust")).card["name"] == "yield"
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    with pytest.raises(BundleAltered):
        Twin.load(folder)


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path):
    features = [{"name": "a"}, {"name": "b"}]
    twin = Twin.load(make(tmp_path / "bundle", LinearRegression().fit(X, 10 * X.sum(axis=1)), features=features))
    assert twin.predict({"a": 1e300, "b": 5.0}).applicability.features == ("a",)
    with pytest.raises(PredictionNotFinite):
        twin.predict({"a": 1.7e308, "b": 5.0})


def test_features_in_another_order_than_the_estimator_was_fitted_with_are_refused(tmp_path: Path):
    estimator = LinearRegression().fit(X, Y)
    estimator.feature_names_in_ = np.array(["pressure", "temp"], dtype=object)
    with pytest.raises(DataUnusable, match="in the order"):
        make(tmp_path / "bundle", estimator)


def test_no_rows_get_no_predictions(tmp_path: Path, forest: RandomForestRegressor):
    predictions = Twin.load(make(tmp_path / "bundle", forest)).predict_many(np.empty((0, 2)))
    assert [array.shape for array in predictions] == [(0,), (0,), (0,)]


def test_packaging_twice_gives_the_same_model(tmp_path: Path, forest: RandomForestRegressor):
    first, second = make(tmp_path / "a", forest), make(tmp_path / "b", forest)
    for path in ("model.onnx", "calibration.npz", "region.npz"):
        assert (first / path).read_bytes() == (second / path).read_bytes()
