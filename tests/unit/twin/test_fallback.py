"""The linear surrogate: what it predicts from a part of the features, and what it promises about that."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from services.twin.adapters.bundle_fallback import read_fail_safe, read_fallback
from services.twin.domain.bundle_layout import FALLBACK_ARRAYS, FALLBACK_FILE
from services.twin.domain.fail_safe import FailSafe, FailSafeInvalid, FailSafePolicy
from services.twin.domain.fallback import LinearSurrogate, learn_surrogate
from services.twin.domain.intervals import TooFewResiduals
from services.twin.library import Twin, package
from services.twin.packaging.calibration import TooFewCalibrationRows
from services.twin.packaging.surrogate import fit_surrogate
from services.twin.packaging.training_data import TrainingData
from shared.onnx.arrays import pack_arrays
from shared.onnx.bundle import Bundle, open_bundle, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import BundleKind, Feature, Manifest, Target
from shared.onnx.settings import KeySettings
from shared.onnx.signing import SigningKey, TrustStore

RNG = np.random.default_rng(0)


def plant(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two features that go together, one on a scale of its own, one that never varies."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    rows = np.stack([a, a + 0.3 * rng.normal(size=count), 1e5 + 1e4 * rng.normal(size=count), np.full(count, 7.0)], 1)
    return rows, 3 * rows[:, 0] + rows[:, 2] / 1e4 + 0.2 * rng.normal(size=count)


def learned(count: int = 2_000) -> LinearSurrogate:
    rows, target = plant(count, 1)
    return learn_surrogate(rows, target, *plant(400, 2))


def test_with_all_features_it_is_the_least_squares_line():
    rows, target = plant(2_000, 1)
    expected = LinearRegression().fit(rows, target).predict(rows[:50])
    found = [learned().predict(row.tolist(), 0.9)[0] for row in rows[:50]]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_without_a_feature_it_is_the_line_through_the_others(missing: int):
    rows, target = plant(2_000, 1)
    others = [column for column in range(4) if column != missing]
    expected = LinearRegression().fit(rows[:, others], target).predict(rows[:20, others])
    found = [
        learned().predict([None if column == missing else value for column, value in enumerate(row)], 0.9)[0]
        for row in rows[:20].tolist()
    ]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_without_any_feature_it_is_the_mean_of_the_target():
    surrogate = learned()
    prediction, lower, upper = surrogate.predict([None] * 4, 0.9)
    assert prediction == surrogate.target_mean
    assert lower < prediction < upper


@given(st.sets(st.integers(0, 3)), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_whatever_is_missing_the_interval_holds_as_often_as_it_promises(missing: set[int], level: float):
    rows, target = plant(4_000, 3)
    used = np.array([column not in missing for column in range(4)])
    _, lower, upper = learned().predict_many(rows, used, level)
    assert np.mean((lower <= target) & (target <= upper)) == pytest.approx(level, abs=0.06)


def test_the_interval_is_wider_where_more_is_missing():
    rows = plant(1, 4)[0][0].tolist()
    widths = []
    for values in (rows, [None, *rows[1:]], [None, None, *rows[2:]]):
        _, lower, upper = learned().predict(values, 0.9)
        widths.append(upper - lower)
    assert widths == sorted(widths)
    assert widths[2] > 2 * widths[0]


def test_a_value_under_a_bad_quality_has_no_influence_at_all():
    values = plant(1, 5)[0][0].tolist()
    without = [None, *values[1:]]
    changed = learned().predict_many(np.array([[1e9, *values[1:]]]), np.array([False, True, True, True]), 0.9)
    np.testing.assert_allclose([each[0] for each in changed], learned().predict(without, 0.9))


@pytest.mark.parametrize("copies", [2, 5])
def test_features_that_say_the_same_do_not_blow_up(copies: int):
    a = RNG.normal(size=500)
    rows = np.stack([a * 10**n + n for n in range(copies)], axis=1)
    surrogate = learn_surrogate(rows[:400], a[:400], rows[400:], a[400:])
    assert np.abs(surrogate.coefficients(np.ones(copies, np.bool_))).max() < 1.0
    disagreeing = [0.1, *rows[0, 1:].tolist()]
    assert abs(surrogate.predict(disagreeing, 0.9)[0] - a[0]) < 1.0 + abs(a[0])


def test_features_that_never_varied_and_a_constant_target_are_no_trouble():
    rows = np.full((50, 2), 0.1)
    surrogate = learn_surrogate(rows, np.full(50, 5.0), rows[:20], np.full(20, 5.0))
    assert surrogate.predict([3.0, None], 0.9) == pytest.approx((5.0, 5.0, 5.0))


def test_a_level_that_the_held_out_rows_cannot_give_is_refused_with_the_number_needed():
    rows, target = plant(100, 6)
    with pytest.raises(TooFewResiduals) as caught:
        learn_surrogate(rows, target, rows[:20], target[:20]).predict([None] * 4, 0.99)
    assert caught.value.facts["needed"] == 99


def test_the_card_says_how_good_it_is_with_all_features_and_without_each():
    fitted = fit_surrogate(TrainingData(*plant(3_000, 7)), list("abcd"))
    evaluation: Any = fitted.card["evaluation"]
    assert fitted.card["calibration_rows"] == len(fitted.surrogate.target) == 500
    assert evaluation["rows"] == 600
    assert list(evaluation["without"]) == list("abcd")
    for figures in (evaluation["all_features"], *evaluation["without"].values()):
        assert figures["coverage"] == pytest.approx(0.9, abs=0.04)
    assert evaluation["all_features"]["rmse"] == pytest.approx(0.2, rel=0.15)
    assert evaluation["without"]["a"]["rmse"] > 2 * evaluation["all_features"]["rmse"]
    assert evaluation["without"]["d"]["rmse"] == pytest.approx(evaluation["all_features"]["rmse"])


def test_rows_that_calibrate_the_surrogate_were_not_learned_from():
    rows, target = plant(300, 8)
    fitted = fit_surrogate(TrainingData(rows, target), list("abcd")).surrogate
    calibrating = {row.tobytes() for row in fitted.rows}
    learning = np.array([row for row in rows if row.tobytes() not in calibrating])
    assert len(learning) == len(rows) - len(calibrating)
    np.testing.assert_allclose(fitted.mean, learning.mean(axis=0))


@pytest.mark.parametrize("count", [45, 44])
def test_a_fallback_from_too_few_rows_is_refused_with_the_number_needed(count: int):
    data = TrainingData(*plant(count, 9))
    if count == 45:
        assert len(fit_surrogate(data, list("abcd")).surrogate.target) == 9
        return
    with pytest.raises(TooFewCalibrationRows) as caught:
        fit_surrogate(data, list("abcd"))
    assert caught.value.facts == {"needed": 45, "count": 44}


def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
    rows, target = plant(300, 10)
    return package(
        RandomForestRegressor(3, random_state=0).fit(rows, target),
        rows,
        target,
        **{
            "name": "power",
            "version": "1",
            "features": [{"name": name} for name in "abcd"],
            "target": {"name": "y"},
            "out": tmp_path / "bundle",
            "interval": "split",
            **changes,
        },
    )


def opened(folder: Path) -> Bundle:
    return open_bundle(folder, KeySettings().trust())


def test_a_fallback_travels_in_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = packaged(tmp_path, monkeypatch, fail_safe={"policy": "fallback", "deadline_s": 0.5})
    bundle, card = opened(folder), Twin.load(folder).card
    assert read_fail_safe(bundle) == FailSafe(FailSafePolicy.FALLBACK, deadline_s=0.5)
    surrogate = read_fallback(bundle)
    assert surrogate is not None
    assert surrogate.predict([0.5, None, 1e5, 7.0], 0.9)[0] == pytest.approx(11.5, abs=0.3)
    assert card["fail_safe"] == {"policy": "fallback", "deadline_s": 0.5, "hold_limit_s": 300.0}
    assert card["fallback"]["type"] == "linear"


def test_without_the_policy_there_is_no_fallback_and_none_of_the_rows_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = packaged(tmp_path, monkeypatch, fail_safe="hold")
    assert not (folder / FALLBACK_FILE).exists()
    assert read_fallback(opened(folder)) is None
    assert Twin.load(folder).card["fail_safe"]["policy"] == "hold"
    assert "fallback" not in Twin.load(folder).card


@pytest.mark.parametrize(
    "fail_safe",
    ["explode", {"policy": 3}, {"deadline": 1}, {"deadline_s": 0}, {"deadline_s": "1"}, {"hold_limit_s": float("inf")}],
)
def test_a_fail_safe_that_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_safe: Any):
    with pytest.raises(FailSafeInvalid):
        packaged(tmp_path, monkeypatch, fail_safe=fail_safe)


def arrays() -> dict[str, np.ndarray]:
    surrogate = learned(100)
    return {name: np.asarray(getattr(surrogate, name), np.float64) for name in FALLBACK_ARRAYS}


def signed(folder: Path, files: dict[str, bytes], **card: Any) -> Bundle:
    manifest = Manifest(
        kind=BundleKind.REGRESSOR,
        name="power",
        version="1",
        created_at="2026-04-01T00:00:00Z",
        features=tuple(map(Feature, "abcd")),
        target=Target("y"),
        card=card,
    )
    key, trust = SigningKey.load_or_create(folder / "key.pem"), TrustStore(folder / "trust")
    trust.enrol(key.public_pem())
    return open_bundle(write_bundle(folder / "bundle", manifest, files, key).folder, trust)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": np.zeros(3)},
        {"correlation": np.eye(3)},
        {"correlation": np.diag([1.0, 1.0, -1.0, 1.0])},
        {"correlation": np.triu(np.full((4, 4), 0.5))},
        {"scale": np.zeros(4)},
        {"rows": np.zeros((2, 3)), "target": np.zeros(2)},
        {"rows": np.zeros((0, 4)), "target": np.zeros(0)},
        {"link": np.full(4, np.nan)},
    ],
)
def test_a_fallback_whose_parts_do_not_fit_is_refused_when_it_is_loaded(tmp_path: Path, changes: dict[str, Any]):
    assert read_fallback(signed(tmp_path / "right", {FALLBACK_FILE: pack_arrays(arrays())})) is not None
    with pytest.raises(BundleMalformed):
        read_fallback(signed(tmp_path / "wrong", {FALLBACK_FILE: pack_arrays({**arrays(), **changes})}))


@pytest.mark.parametrize("fail_safe", [{"policy": "fallback"}, "hold", {"policy": "?"}, None])
def test_a_card_whose_policy_the_bundle_cannot_keep_is_refused(tmp_path: Path, fail_safe: Any):
    assert read_fail_safe(signed(tmp_path / "none", {"a.bin": b"1"})) == FailSafe()
    with pytest.raises(BundleMalformed):
        read_fail_safe(signed(tmp_path / "wrong", {"a.bin": b"1"}, fail_safe=fail_safe))
