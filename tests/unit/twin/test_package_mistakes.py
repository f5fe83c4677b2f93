"""What a user of `package` gets wrong, and what looks wrong and is not: each is told at once, in a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, RANSACRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from services.twin.library import Twin, package
from services.twin.packaging import package as packaging
from services.twin.packaging.errors import DataUnusable, EstimatorNotFitted
from shared.onnx.errors import BundleMalformed

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(20, 3, (60, 3)), 1)
Y = X @ np.array([1.0, -2.0, 0.5]) + RNG.normal(size=60)
NAMED = pd.DataFrame(X, columns=["a", "b", "c"])
FITTED = LinearRegression().fit(X, Y)
FEATURES = [{"name": name} for name in "abc"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))


def make(out: Path, estimator: Any = FITTED, rows: Any = X, **changes: Any) -> Path:
    arguments = {"name": "plant", "version": "1", "features": FEATURES, "target": {"name": "y"}, "interval": "split"}
    return package(estimator, rows, Y, out=out, **{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "my plant"}, "the name 'my plant' must be"),
        ({"name": 5}, "description.name must be a string"),
        ({"version": 1}, "description.version must be a string"),
        ({"features": ["a", "b", "c"]}, r"description.features\[0\] must be an object"),
        ({"features": [{"name": "a"}, {"name": "a"}, {"name": "b"}]}, "two features have the same name"),
        ({"target": "y"}, "description.target must be an object"),
        ({"interval": "jackknife"}, "interval must be one of auto, split, normalized, cqr, not 'jackknife'"),
        ({"interval": None}, "interval must be one of"),
        ({"calibration": "later.csv"}, "calibration must be a share between 0 and 1 or a pair"),
        ({"calibration": (X,)}, "calibration must be a share between 0 and 1 or a pair"),
        ({"calibration": (X, Y, Y)}, "calibration must be a share between 0 and 1 or a pair"),
        ({"slim": 0.02}, "slim takes one member"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_before_anything_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
):
    monkeypatch.setattr(packaging, "gather_evidence", pytest.fail)
    with pytest.raises((BundleMalformed, DataUnusable), match=said):
        make(tmp_path / "bundle", **changes)


def test_a_place_that_is_taken_is_refused_before_anything_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packaging, "gather_evidence", pytest.fail)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    with pytest.raises(BundleMalformed, match="is a file"):
        make(tmp_path / "file")
    with pytest.raises(BundleMalformed, match="left alone"):
        make(tmp_path / "folder")


@pytest.mark.parametrize(
    ("estimator", "changes"),
    [(RandomForestRegressor(), {}), (FITTED, {"scaler": StandardScaler()}), (make_pipeline(Ridge()), {})],
)
def test_what_was_never_fitted_is_named(tmp_path: Path, estimator: Any, changes: dict[str, Any]):
    with pytest.raises(NotFittedError, match="was never fitted") as caught:
        make(tmp_path / "bundle", estimator, **changes)
    assert isinstance(caught.value, EstimatorNotFitted)


def test_a_table_whose_columns_are_only_numbered_is_taken_in_its_order(tmp_path: Path):
    numbered = pd.DataFrame(X)
    twin = Twin.load(make(tmp_path / "bundle", LinearRegression().fit(numbered, Y), numbered))
    np.testing.assert_array_equal(twin.predict_many(numbered).prediction, twin.predict_many(X).prediction)


@pytest.mark.parametrize("kind", [VotingRegressor, StackingRegressor])
def test_parts_that_choose_columns_by_name_get_a_table(tmp_path: Path, kind: Any):
    by_name = make_pipeline(ColumnTransformer([("scale", StandardScaler(), ["c", "a"])]), Ridge())
    estimator = kind([("by name", by_name), ("all", Ridge())]).fit(NAMED, Y)
    twin = Twin.load(make(tmp_path / "bundle", estimator, NAMED))
    np.testing.assert_allclose(twin.predict_many(NAMED).prediction, estimator.predict(NAMED), rtol=1e-12)


def test_a_parameter_that_is_infinite_goes_into_the_card_as_text(tmp_path: Path):
    estimator = RANSACRegressor(LinearRegression(), random_state=0).fit(X, Y)
    card = Twin.load(make(tmp_path / "bundle", estimator)).card
    assert card["model"]["parameters"]["stop_n_inliers"] == "inf"
