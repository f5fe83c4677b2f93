"""Everything that may stand before, around or beside a regressor: scalers, transformers, composites, extra outputs."""

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, FastICA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVR, LinearSVR, NuSVR

from services.twin.packaging.convert import convert
from services.twin.packaging.errors import EstimatorUnsupported, NotExact
from services.twin.packaging.parity import check_parity
from services.twin.packaging.reference import Reference
from shared.onnx.session import OnnxSession
from tests.unit.twin.through_the_gate import ROWS, TARGET, UNSEEN, gate, passes, predict

FOREST = RandomForestRegressor(3, random_state=0)
BOOSTED = HistGradientBoostingRegressor(max_iter=5)


@pytest.mark.parametrize(
    "model",
    [
        DummyRegressor(),
        PLSRegression(),
        QuantileRegressor(quantile=0.9, alpha=0.0),
        RANSACRegressor(random_state=0),
        TheilSenRegressor(random_state=0, max_subpopulation=100, tol=0.1),
        TweedieRegressor(power=0),
        make_pipeline(StandardScaler(), GammaRegressor()),
        make_pipeline(StandardScaler(), LinearSVR(max_iter=10_000)),
        make_pipeline(StandardScaler(), PoissonRegressor()),
        make_pipeline(StandardScaler(), SGDRegressor(random_state=0)),
        make_pipeline(StandardScaler(), TweedieRegressor(power=1.5)),
        make_pipeline(PowerTransformer(), Ridge()),
        make_pipeline(QuantileTransformer(n_quantiles=5), FOREST),
        make_pipeline(MinMaxScaler((1, 2)), PowerTransformer("box-cox", standardize=False), FOREST),
        make_pipeline(StandardScaler(), SVR()),
        make_pipeline(StandardScaler(), NuSVR(kernel="poly", degree=2)),
        make_pipeline(StandardScaler(), SVR(kernel="sigmoid")),
        make_pipeline(StandardScaler(), SVR(kernel="linear")),
        make_pipeline(StandardScaler(), KernelRidge(kernel="rbf")),
        make_pipeline(StandardScaler(), KNeighborsRegressor(3)),
        make_pipeline(StandardScaler(), GaussianProcessRegressor(normalize_y=True, optimizer=None, alpha=0.1)),
        *(
            make_pipeline(
                StandardScaler(),
                MLPRegressor(
                    hidden_layer_sizes=(8, 4), activation=activation, solver="lbfgs", max_iter=10_000, tol=1e9
                ),
            )
            for activation in ("identity", "logistic", "relu", "tanh")
        ),
    ],
    ids=lambda model: str(model)[-50:],
)
def test_models_of_every_family_pass_the_gate(model: Any):
    passes(model.fit(ROWS, TARGET))


@pytest.mark.parametrize(
    "stage",
    [
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        MaxAbsScaler(clip=True),
        PCA(2, whiten=True),
        FastICA(2, random_state=0, whiten="unit-variance"),
        PolynomialFeatures(3),
        PolynomialFeatures(3, interaction_only=True, include_bias=False),
        KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
        FeatureUnion([("scaled", StandardScaler()), ("component", PCA(1)), ("nothing", "drop")]),
        ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", MinMaxScaler(), slice(1, 2))]),
        ColumnTransformer([("a", StandardScaler(), [2])], remainder="passthrough"),
        ColumnTransformer([("a", RobustScaler(), np.array([True, False, True])), ("b", "drop", [1])]),
        SelectKBest(f_regression, k=2),
        VarianceThreshold(),
        SimpleImputer(),
        FunctionTransformer(np.square),
        FunctionTransformer(),
    ],
    ids=lambda stage: str(stage)[:50],
)
@pytest.mark.parametrize("model", [FOREST, BOOSTED], ids=["forest", "boosted"])
def test_trees_behind_every_transformer_pass_the_gate(stage: Any, model: Any):
    passes(make_pipeline(stage, model).fit(ROWS, TARGET))


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostRegressor(n_estimators=5, random_state=0),
        BaggingRegressor(n_estimators=3, max_features=2, random_state=0),
        VotingRegressor([("a", FOREST), ("b", LinearRegression()), ("c", "drop")], weights=[2, 1, 1]),
        StackingRegressor([("a", FOREST), ("b", Ridge())], final_estimator=BOOSTED, passthrough=True),
        TransformedTargetRegressor(BOOSTED, transformer=StandardScaler()),
        TransformedTargetRegressor(BOOSTED, transformer=MinMaxScaler()),
        TransformedTargetRegressor(BOOSTED, transformer=RobustScaler()),
        TransformedTargetRegressor(BOOSTED, transformer=MaxAbsScaler()),
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
        TransformedTargetRegressor(BOOSTED, func=np.sqrt, inverse_func=np.square),
        TransformedTargetRegressor(BOOSTED),
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2),
        make_pipeline(make_pipeline(StandardScaler(), MinMaxScaler()), FOREST),
    ],
    ids=lambda model: str(model)[:60],
)
def test_models_made_of_models_pass_the_gate(model: Any):
    passes(model.fit(ROWS, TARGET))


def test_rows_are_put_on_thresholds_behind_scalers_and_chosen_columns():
    columns = ColumnTransformer([("a", StandardScaler(), [2]), ("b", MinMaxScaler(), [0])])
    model = make_pipeline(columns, PolynomialFeatures(2, include_bias=False), FOREST).fit(ROWS, TARGET)
    report = passes(model)
    # Only cuts of single columns can be followed back to the rows; the others leave the row as it was.
    assert report.rows_on_thresholds == 5_000
    assert {origin.column for cut in convert(model).cuts for origin in cut.origins if origin is not None} == {0, 2}


@settings(max_examples=10)
@given(seed=st.integers(0, 2**16), step=st.sampled_from([0.5, 0.1, 0.01]), depth=st.integers(1, 12))
def test_no_forest_differs_on_any_grid_behind_any_chain_of_scalers(seed: int, step: float, depth: int):
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(150, 2)) * 30) * step
    target = rng.normal(size=150)
    stages = [StandardScaler(), MinMaxScaler(clip=True), RobustScaler(), MaxAbsScaler()]
    chosen = rng.permutation(4)[:2]
    model = make_pipeline(*(stages[number] for number in chosen), RandomForestRegressor(3, max_depth=depth))
    model.fit(rows, target)
    fresh = np.round(rng.normal(size=(500, 2)) * 40) * step
    np.testing.assert_allclose(predict(convert(model), fresh), model.predict(fresh), atol=1e-6)


def test_a_pipeline_that_chooses_its_columns_by_name_is_packaged():
    table = pd.DataFrame(ROWS, columns=["temp", "pressure", "flow"])
    columns = ColumnTransformer([("a", StandardScaler(), ["flow", "temp"]), ("b", "passthrough", ["pressure"])])
    model = make_pipeline(columns, FOREST).fit(table, TARGET)
    passes(model)
    refit = Reference(model).refit(ROWS[:200], TARGET[:200])
    np.testing.assert_allclose(predict(convert(refit.estimator), UNSEEN), refit.predict(UNSEEN), rtol=1e-6)


def test_a_refit_of_a_search_takes_the_recipe_that_it_found():
    search = GridSearchCV(Ridge(), {"alpha": [0.5]}, cv=2).fit(ROWS, TARGET)
    refit = Reference(search).refit(ROWS, TARGET)
    assert (type(refit.estimator), refit.estimator.alpha) == (Ridge, 0.5)
    assert Reference(search).describe()["type"] == "Ridge"


def test_a_spread_and_two_quantiles_come_from_models_of_their_own():
    main = RandomForestRegressor(3, random_state=0).fit(ROWS, TARGET)
    errors = np.abs(TARGET - main.predict(ROWS)) - 1.0
    extra = {
        "spread": make_pipeline(StandardScaler(), LinearRegression()).fit(ROWS, errors),
        "lower_quantile": HistGradientBoostingRegressor(max_iter=5, loss="quantile", quantile=0.05).fit(ROWS, TARGET),
        "upper_quantile": QuantileRegressor(quantile=0.95, alpha=0.0).fit(ROWS, TARGET),
    }
    converted = convert(main, None, extra)
    names = [tensor.name for tensor in converted.graph.outputs]
    assert names == ["prediction", "trees", "spread", "lower_quantile", "upper_quantile"]
    gate(converted, main, extra=extra)
    assert predict(converted, UNSEEN, "spread").min() == 0.0
    scaler = StandardScaler().fit(ROWS)
    behind = BOOSTED.fit(scaler.transform(ROWS), TARGET)
    gate(convert(behind, scaler, extra), behind, scaler, extra)


def test_an_extra_model_that_is_not_the_one_in_the_graph_is_refused():
    main = LinearRegression().fit(ROWS, TARGET)
    lower, other = LinearRegression().fit(ROWS, TARGET - 9.0), LinearRegression().fit(ROWS, TARGET - 8.0)
    converted = convert(main, None, {"lower_quantile": lower})
    with pytest.raises(NotExact) as refusal:
        gate(converted, main, extra={"lower_quantile": other})
    assert refusal.value.facts["output"] == "lower_quantile"


def test_lists_of_integers_are_packed_and_every_reader_takes_them():
    converted = convert(RandomForestRegressor(3, random_state=0).fit(ROWS, TARGET))
    model = onnx.load_model_from_string(converted.data)
    assert len(converted.data) < 0.85 * len(model.SerializeToString())
    onnx.checker.check_model(model)


def test_a_forest_too_large_for_one_operator_is_spread_over_several(monkeypatch: pytest.MonkeyPatch):
    forest = RandomForestRegressor(5, random_state=0).fit(ROWS, TARGET)
    boosted = HistGradientBoostingRegressor(max_iter=5).fit(ROWS, TARGET)
    whole = [predict(convert(model), UNSEEN) for model in (forest, boosted)]
    monkeypatch.setattr("services.twin.packaging.trees._GROUP_NODES", 1_000)
    for model, expected in zip((forest, boosted), whole, strict=True):
        monkeypatch.setattr("services.twin.packaging.trees._GROUP_NODES", 1_000 if model is forest else 20)
        converted = convert(model)
        operators = [node.op_type for node in onnx.load_model_from_string(converted.data).graph.node]
        assert operators.count("TreeEnsemble") > 1
        np.testing.assert_allclose(predict(converted, UNSEEN), expected, rtol=1e-14)
        gate(converted, model)


class Home(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, X: np.ndarray, _y: object = None) -> "Home":
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X + 1.0


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (make_pipeline(Home(), Ridge()), "Home"),
        (make_pipeline(SplineTransformer(), Ridge()), "SplineTransformer"),
        (make_pipeline(FunctionTransformer(np.cbrt), Ridge()), "cbrt"),
        (make_pipeline(FunctionTransformer(lambda rows: rows), Ridge()), "lambda"),
        (TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=9)), "QuantileTransformer"),
        (make_pipeline(StandardScaler(), SVR(kernel=lambda a, b: a @ b.T)), "kernel"),
        (FeatureUnion([("a", StandardScaler())], transformer_weights={"a": 2.0}), "transformer_weights"),
        (type("MyRidge", (Ridge,), {})(), "MyRidge"),
    ],
    ids=["home-made", "spline", "cbrt", "lambda", "target", "kernel", "weights", "subclass"],
)
def test_a_step_without_an_exact_conversion_is_named(model: Any, reason: str):
    if isinstance(model, FeatureUnion):
        model = Pipeline([("union", model), ("model", Ridge())])
    with pytest.raises(EstimatorUnsupported, match=reason):
        convert(model.fit(ROWS, TARGET))


@pytest.mark.parametrize(
    "model", [object(), "a path", RandomForestClassifier(2), KMeans(2, n_init=1), StandardScaler()]
)
def test_what_is_no_regressor_is_refused(model: Any):
    if hasattr(model, "fit"):
        model.fit(ROWS, (TARGET > 454.0))
    with pytest.raises(EstimatorUnsupported):
        convert(model)


def test_neighbours_that_lie_equally_far_away_are_refused_by_the_gate():
    # Which of two equally near rows counts is chance, and on the grid of a sensor such ties are the rule.
    rows = np.arange(0.0, 200.0, 2.0)[:, np.newaxis]
    model = KNeighborsRegressor(1, algorithm="kd_tree").fit(rows, np.random.default_rng(0).normal(size=len(rows)))
    converted = convert(model)
    with pytest.raises(NotExact):
        check_parity(OnnxSession(converted.data, converted.graph), converted, Reference(model), rows, [1.0])


def test_boosted_trees_behind_a_power_are_refused_where_its_last_bit_decides():
    # They compare in double with values that were in training, and no two libraries agree on the last bit of a power.
    model = make_pipeline(PowerTransformer(), BOOSTED).fit(ROWS, TARGET)
    with pytest.raises(NotExact):
        passes(model)
    passes(make_pipeline(PowerTransformer(), FOREST).fit(ROWS, TARGET))
