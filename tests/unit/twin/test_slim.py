"""Smaller models within a stated budget: what is saved, what it costs, and that what is served is what was judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from services.twin.library import Twin, package
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.reference import Reference
from services.twin.packaging.slim import SlimBudget
from services.twin.packaging.weights import WeightType, round_weights, store_short
from shared.onnx.session import OnnxSession

RNG = np.random.default_rng(0)
X = np.round(RNG.uniform(-2, 2, (400, 3)), 2)
Y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 + RNG.normal(size=400) * 0.1


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))


def slimmed(out: Path, estimator: Any, budget: float, **changes: Any) -> Twin:
    arguments: dict[str, Any] = {
        "name": "slim",
        "version": "1",
        "features": [{"name": name} for name in "abc"],
        "target": {"name": "y"},
        "interval": "split",
        "slim": {"budget": budget},
        **changes,
    }
    return Twin.load(package(estimator.fit(X, Y), X, Y, out=out, **arguments))


def test_a_forest_loses_trees_and_leaves_and_keeps_its_budget(tmp_path: Path):
    twin = slimmed(tmp_path / "bundle", RandomForestRegressor(10, random_state=0), 0.1)
    card = twin.card["slim"]
    assert card["after"]["graph_bytes"] < 0.8 * card["before"]["graph_bytes"]
    assert card["rmse_rise"] <= 0.1
    assert card["after"]["rmse"] == pytest.approx(card["before"]["rmse"] * (1 + card["rmse_rise"]))
    assert card["how"]["n_estimators"] < 10
    assert twin.card["model"]["parameters"]["n_estimators"] == card["how"]["n_estimators"]
    recipe = RandomForestRegressor(**card["how"], random_state=0).fit(X, Y)
    np.testing.assert_allclose(twin.predict_many(X[:20]).prediction, recipe.predict(X[:20]), rtol=1e-6)


def test_the_budget_holds_on_rows_that_chose_nothing(tmp_path: Path):
    rng = np.random.default_rng(7)
    unseen = rng.uniform(-2, 2, (4_000, 3))
    actual = np.sin(2 * unseen[:, 0]) + 0.5 * unseen[:, 1] ** 2 + rng.normal(size=4_000) * 0.1

    def rmse(predicted: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.square(predicted - actual))))

    full = RandomForestRegressor(10, random_state=0)
    twin = slimmed(tmp_path / "bundle", full, 0.05)
    assert twin.card["slim"]["after"]["graph_bytes"] < 0.7 * twin.card["slim"]["before"]["graph_bytes"]
    assert twin.card["slim"]["judged_rows"] == 400
    assert rmse(twin.predict_many(unseen).prediction) <= 1.05 * rmse(full.predict(unseen))


def test_what_chance_may_have_done_is_not_within_the_budget():
    budget, errors = SlimBudget.of({"budget": 0.02}), RNG.uniform(0.5, 1.5, 100)
    assert budget.holds(errors * 1.02, errors)
    assert not budget.holds(errors * 1.06, errors)
    scattered = errors * (1 + RNG.normal(size=100))
    scattered *= np.mean(errors) / np.mean(scattered)
    assert not budget.holds(scattered, errors)


def test_a_model_that_short_weights_would_make_larger_is_served_as_it_is(tmp_path: Path):
    torch.manual_seed(0)
    small = torch.nn.Sequential(torch.nn.Linear(3, 22), torch.nn.Tanh(), torch.nn.Linear(22, 1))
    arguments = {
        "name": "slim",
        "version": "1",
        "features": [{"name": name} for name in "abc"],
        "target": {"name": "y"},
    }
    out = tmp_path / "bundle"
    package(small, X, Y, out=out, calibration=(X, Y), interval="split", slim={"budget": 0.9}, **arguments)
    card = Twin.load(out).card["slim"]
    assert (card["how"], card["rmse_rise"]) == ({}, 0.0)
    assert card["after"]["graph_bytes"] == card["before"]["graph_bytes"]


def test_a_larger_budget_never_gives_a_larger_model(tmp_path: Path):
    sizes = [
        slimmed(tmp_path / str(budget), RandomForestRegressor(5, random_state=0), budget).card["slim"]["after"]
        for budget in (0.01, 0.3)
    ]
    assert [size["graph_bytes"] for size in sizes] == sorted((size["graph_bytes"] for size in sizes), reverse=True)


def test_boosting_in_a_pipeline_loses_rounds(tmp_path: Path):
    estimator = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=40, learning_rate=0.5))
    card = slimmed(tmp_path / "bundle", estimator, 0.1).card["slim"]
    assert card["how"]["max_iter"] < 40
    assert card["after"]["graph_bytes"] < card["before"]["graph_bytes"]


@pytest.fixture(scope="module")
def network() -> MLPRegressor:
    return MLPRegressor(hidden_layer_sizes=(32, 32), max_iter=400, tol=1e-2, random_state=0)


def test_a_network_has_its_weights_in_8_bits_and_is_calibrated_on_the_errors_of_those(
    tmp_path: Path, network: MLPRegressor
):
    twin = slimmed(tmp_path / "bundle", network, 0.5)
    card = twin.card["slim"]
    assert card["how"] == {"weights": "int8"}
    assert card["after"]["graph_bytes"] < 0.6 * card["before"]["graph_bytes"]
    _, lower, upper = twin.predict_many(X)
    assert np.mean((lower <= Y) & (upper >= Y)) > 0.85
    rounded = round_weights(Reference(network), WeightType.INT8)
    np.testing.assert_allclose(twin.predict_many(X).prediction, rounded.predict(X), rtol=1e-9)


@pytest.mark.parametrize(("weight_type", "bytes_each"), [(WeightType.INT8, 1), (WeightType.FLOAT16, 2)])
def test_short_weights_are_stored_without_a_further_loss(
    network: MLPRegressor, weight_type: WeightType, bytes_each: int
):
    rounded = round_weights(Reference(network.fit(X, Y)), weight_type)
    full = convert(rounded.estimator, features=3)
    short = store_short(full)
    answers = [OnnxSession(each.data, each.graph).run(X)["prediction"] for each in (full, short)]
    np.testing.assert_array_equal(*answers)
    saved = len(full.data) - len(short.data)
    assert saved > 0.8 * 32 * 32 * (8 - bytes_each)
    # Rounding again changes nothing: the short numbers are the numbers.
    again = round_weights(rounded, weight_type)
    assert all(np.array_equal(a, b) for a, b in zip(rounded.final.coefs_, again.final.coefs_, strict=True))


def test_weights_that_no_short_type_holds_are_stored_as_they_are(network: MLPRegressor):
    full = convert(network.fit(X, Y), features=3)
    assert len(store_short(full).data) == pytest.approx(len(full.data), rel=0.01)


def test_a_refit_of_a_rounded_network_is_rounded_too(network: MLPRegressor):
    rounded = round_weights(Reference(network.fit(X, Y)), WeightType.FLOAT16)
    refit = rounded.refit(X[:200], Y[:200])
    assert all(np.array_equal(w, w.astype(np.float16)) for w in refit.final.coefs_)


def test_a_budget_that_nothing_smaller_keeps_serves_the_model_as_it_is(tmp_path: Path):
    stump = RandomForestRegressor(1, max_depth=1, random_state=0)
    card = slimmed(tmp_path / "bundle", stump, 0.0).card["slim"]
    assert card["rmse_rise"] <= 0.0
    assert card["after"]["graph_bytes"] <= card["before"]["graph_bytes"]


@pytest.mark.parametrize(
    ("estimator", "slim"),
    [
        (LinearRegression(), {"budget": 0.1}),
        (RandomForestRegressor(2), {"budget": -0.1}),
        (RandomForestRegressor(2), {"budget": 1.0}),
        (RandomForestRegressor(2), {"budget": float("nan")}),
        (RandomForestRegressor(2), {"budget": True}),
        (RandomForestRegressor(2), {}),
        (RandomForestRegressor(2), {"budget": 0.1, "bits": 8}),
    ],
)
def test_a_model_with_nothing_to_leave_out_and_a_budget_without_sense_are_refused(
    tmp_path: Path, estimator: Any, slim: dict[str, Any]
):
    with pytest.raises(DataUnusable):
        slimmed(tmp_path / "bundle", estimator, 0.0, slim=slim)
