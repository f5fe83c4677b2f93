"""Boosted trees: the precision each library compares and adds in, its links, and what is refused."""

from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from services.twin.packaging import boosting, trees, xgboost_trees
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import EstimatorUnsupported, NotExact
from services.twin.packaging.graph import DOUBLE_ROUNDING
from services.twin.packaging.reference import Reference
from tests.unit.twin.through_the_gate import ROWS, TARGET, UNSEEN, gate, passes, predict


def lgb(**options: Any) -> lightgbm.LGBMRegressor:
    return lightgbm.LGBMRegressor(**{"n_estimators": 10, "verbose": -1, "n_jobs": 1, **options})


def xgb(**options: Any) -> xgboost.XGBRegressor:
    return xgboost.XGBRegressor(**{"n_estimators": 10, "max_depth": 4, "n_jobs": 1, **options})


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeRegressor(random_state=0),
        ExtraTreeRegressor(random_state=0),
        GradientBoostingRegressor(n_estimators=10, random_state=0),
        GradientBoostingRegressor(n_estimators=5, init="zero", random_state=0),
        GradientBoostingRegressor(n_estimators=5, loss="quantile", alpha=0.1, random_state=0),
        HistGradientBoostingRegressor(max_iter=10),
        HistGradientBoostingRegressor(max_iter=10, loss="quantile", quantile=0.95),
        HistGradientBoostingRegressor(max_iter=40, early_stopping=True, random_state=0),
        make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=10)),
        lgb(),
        lgb(boosting_type="dart"),
        lgb(boosting_type="rf", bagging_freq=1, bagging_fraction=0.7),
        lgb(objective="quantile", alpha=0.1),
        make_pipeline(StandardScaler(), lgb()),
        xgb(n_estimators=50),
        xgb(objective="reg:quantileerror", quantile_alpha=0.9),
        xgb(num_parallel_tree=3),
        xgboost.XGBRFRegressor(n_estimators=5, n_jobs=1),
        make_pipeline(StandardScaler(), xgb()),
    ],
    ids=lambda model: str(model)[:60],
)
def test_trees_are_exact_to_the_rounding_of_double(model: Any):
    report = passes(model.fit(ROWS, TARGET))
    assert report.tolerance < 1e-9 * TARGET.max()
    assert report.rows_on_thresholds == 5_000


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingRegressor(max_iter=10, loss="poisson"),
        HistGradientBoostingRegressor(max_iter=10, loss="gamma"),
        lgb(objective="poisson"),
        lgb(objective="tweedie"),
        lgb(reg_sqrt=True),
        xgb(booster="dart", rate_drop=0.5),
        xgb(objective="count:poisson"),
        xgb(objective="reg:tweedie"),
        xgboost.XGBRegressor(booster="gblinear", n_estimators=10, n_jobs=1),
    ],
    ids=lambda model: str(model)[:40] + str(getattr(model, "objective", "")),
)
def test_links_weights_and_linear_boosters_pass_the_gate(model: Any):
    passes(model.fit(ROWS, TARGET))


def test_boosters_without_the_interface_of_scikit_learn_are_packaged_as_they_are():
    options = {"verbose": -1, "num_threads": 1}
    light = lightgbm.train(options, lightgbm.Dataset(ROWS, TARGET), num_boost_round=5)
    extreme = xgboost.train({"nthread": 1}, xgboost.DMatrix(ROWS, TARGET, feature_names=["a", "b", "c"]), 5)
    for booster in (light, extreme):
        passes(booster)
        assert not Reference(booster).can_refit
    assert Reference(light).describe()["library"].startswith("lightgbm ")
    assert Reference(extreme).describe()["type"] == "Booster"


def test_early_stopping_of_xgboost_uses_the_best_trees_only():
    model = xgb(n_estimators=60, learning_rate=1.0, early_stopping_rounds=3, max_depth=8)
    model.fit(ROWS, TARGET, eval_set=[(UNSEEN, TARGET.mean() + np.zeros(len(UNSEEN)))], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    passes(model)
    assert not Reference(make_pipeline(model)).can_refit
    assert Reference(xgb()).can_refit


def test_early_stopping_of_lightgbm_uses_the_best_trees_only():
    model = lgb(n_estimators=60, learning_rate=1.0)
    noise = np.random.default_rng(0).normal(size=len(UNSEEN))
    model.fit(ROWS, TARGET, eval_X=UNSEEN, eval_y=noise, callbacks=[lightgbm.early_stopping(2, verbose=False)])
    assert model.best_iteration_ < 60
    passes(model)


def test_a_booster_that_goes_the_other_way_on_a_threshold_is_refused(monkeypatch: pytest.MonkeyPatch):
    # XGBoost asks `<`; a converter that forgets it asks `<=`.
    model = xgb(n_estimators=3).fit(ROWS, TARGET)
    monkeypatch.setattr(np, "nextafter", lambda values, _: values)
    converted = convert(model)
    monkeypatch.undo()
    with pytest.raises(NotExact):
        gate(converted, model)


@pytest.mark.parametrize("model", [lgb(), HistGradientBoostingRegressor(max_iter=5)])
def test_a_library_that_compares_in_double_is_not_served_by_rows_in_float32(
    model: Any, monkeypatch: pytest.MonkeyPatch
):
    scaler = StandardScaler().fit(ROWS)
    model.fit(scaler.transform(ROWS), TARGET)

    def in_single(builder: Any, source: str, parts: Any) -> str:
        return trees.tree_sum(builder, trees.as_single(builder, source), parts)

    monkeypatch.setattr("services.twin.packaging.lightgbm_trees.tree_sum", in_single)
    monkeypatch.setattr(boosting, "tree_sum", in_single)
    with pytest.raises(NotExact):
        gate(convert(model, scaler), model, scaler)


def test_one_wrong_leaf_that_the_rounding_of_a_weighted_sum_hides_is_seen(monkeypatch: pytest.MonkeyPatch):
    model = xgb(n_estimators=20, booster="dart", rate_drop=0.1, learning_rate=0.01).fit(ROWS, TARGET)
    read = xgboost_trees.read_booster

    def one_leaf_off(booster: Any) -> Any:
        document = read(booster)
        values = document.trees[-1].values
        values[np.flatnonzero(values)[0]] += 1e-6 * TARGET.max()
        return document

    monkeypatch.setattr(xgboost_trees, "read_booster", one_leaf_off)
    converted = convert(model)
    with pytest.raises(NotExact) as refusal:
        gate(converted, model)
    assert refusal.value.facts["tolerance"] <= DOUBLE_ROUNDING * TARGET.max()


def test_values_that_lightgbm_takes_for_zero_are_zero():
    rows = np.where(np.abs(ROWS - ROWS.mean(axis=0)) < 5.0, 0.0, ROWS - ROWS.mean(axis=0))
    model = lgb().fit(rows, TARGET)
    tiny = np.array([0.0, 1e-35, 1.0000000180025095e-35, 1.1e-35, 5e-324])
    fresh = np.stack([np.concatenate([tiny, -tiny])] * 3, axis=1)
    np.testing.assert_array_equal(predict(convert(model), fresh), model.predict(fresh))
    assert len(np.unique(model.predict(fresh))) > 1


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**16),
    step=st.sampled_from([1.0, 0.5, 0.1, 0.05, 0.01, 1e-3]),
    offset=st.sampled_from([0.0, 20.0, 1013.3, -1e5]),
    kind=st.sampled_from(["hist", "gradient", "lightgbm", "xgboost", "forest tree"]),
    scaled=st.booleans(),
)
def test_no_booster_differs_on_any_grid(seed: int, step: float, offset: float, kind: str, scaled: bool):
    rng = np.random.default_rng(seed)
    rows = offset + np.round(rng.normal(size=(200, 2)) * 20) * step
    target = rng.normal(size=200) + rows[:, 0] * 0.1
    models = {
        "hist": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
        "gradient": GradientBoostingRegressor(n_estimators=5, max_depth=5, random_state=0),
        "lightgbm": lgb(n_estimators=5, min_child_samples=2),
        "xgboost": xgb(n_estimators=5),
        "forest tree": DecisionTreeRegressor(random_state=0),
    }
    model = make_pipeline(StandardScaler(), models[kind]) if scaled else models[kind]
    model.fit(rows, target)
    fresh = offset + np.round(rng.normal(size=(1_000, 2)) * 30) * step
    expected = Reference(model).predict(fresh)
    np.testing.assert_allclose(predict(convert(model), fresh), expected, atol=1e-9 * np.max(np.abs(expected)))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lgb(linear_tree=True), "linear_tree"),
        (lgb(objective="cross_entropy"), "cross_entropy"),
        (lgb(zero_as_missing=True), "zero_as_missing"),
        (xgb(missing=0.0), "missing"),
        (xgb(objective="reg:logistic"), "logistic"),
        (GradientBoostingRegressor(n_estimators=2, init=LinearRegression()), "init"),
        (HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]), "categorical"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_would_be_nearly_right_is_refused_with_the_reason(model: Any, reason: str):
    rows = np.column_stack([np.arange(len(ROWS)) % 7, ROWS])
    target = (TARGET - TARGET.min()) / np.ptp(TARGET)
    model.fit(rows, target)
    with pytest.raises(EstimatorUnsupported, match=reason):
        convert(model)


def test_categorical_splits_of_lightgbm_and_xgboost_are_refused():
    kinds = np.arange(len(ROWS)) % 7
    rows = np.column_stack([kinds, ROWS])
    target = TARGET + 50.0 * (kinds % 2)
    with pytest.raises(EstimatorUnsupported, match="categorical"):
        convert(lgb().fit(rows, target, categorical_feature=[0]))
    data = xgboost.DMatrix(rows, target, feature_types=["c", "q", "q", "q"], enable_categorical=True)
    with pytest.raises(EstimatorUnsupported, match="categorical"):
        convert(xgboost.train({"nthread": 1}, data, 3))


def test_a_booster_of_several_targets_is_refused():
    both = np.stack([TARGET, TARGET], axis=1)
    with pytest.raises(EstimatorUnsupported, match="one target"):
        convert(xgb().fit(ROWS, both))
