from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.library import Detector

NORMAL = np.random.default_rng(4).exponential(size=100_000)
LATER = np.random.default_rng(5).exponential(size=100_000)


def scale(scores: np.ndarray, *, warmup_rows: int = 0, allowance: float = 1.0) -> SeverityScale:
    return SeverityScale.calibrated(HeldOut(scores, warmup_rows, len(scores) * 3, allowance))


def test_without_held_out_scores_severity_goes_by_the_distance_from_the_limit():
    np.testing.assert_allclose(SeverityScale().of(np.array([0.0, 1.0, 2.0, 20.0]), 2.0), [0.0, 0.25, 0.5, 0.95])


@pytest.mark.parametrize("limit", [1e-6, 0.3, 2.0, 9.0, 1e3])
def test_the_limit_in_force_is_a_half_wherever_it_lies(limit: float):
    found = scale(NORMAL).of(np.array([0.0, limit * (1 - 1e-9), limit, limit * (1 + 1e-9), np.nan]), limit)
    assert (found[0], found[2]) == (0.0, 0.5)
    assert found[1] == pytest.approx(0.5, abs=1e-6)
    assert found[3] == pytest.approx(0.5, abs=1e-5)
    assert np.isnan(found[4])


@given(
    st.lists(st.floats(0.0, 1e6, width=32), min_size=1, max_size=80),
    st.floats(1e-6, 1e7),
    st.lists(st.floats(0.0, 1e9), min_size=2, max_size=30),
    st.integers(0, 30),
)
def test_a_higher_score_is_never_less_severe(held_out: list[float], limit: float, scores: list[float], warmup: int):
    found = scale(np.array(held_out), warmup_rows=warmup).of(np.sort(scores), limit)
    assert (np.diff(found) >= 0.0).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()
    assert (found[np.sort(scores) > limit] >= 0.5).all()


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_severity_says_how_rare_a_normal_row_is_whatever_its_scores_are(power: float):
    # The limit is what one normal row in e^5 reaches; half as rare in powers is one in e^2.5.
    limit = 5.0**power
    found = scale(NORMAL**power).of(LATER**power, limit)
    assert (found > 0.5).mean() == pytest.approx(np.exp(-5.0), rel=0.1)
    assert (found > 0.25).mean() == pytest.approx(np.exp(-2.5), rel=0.1)
    assert found.mean() == pytest.approx(0.1, rel=0.05)


def test_above_the_limit_severity_says_how_much_rarer_a_row_is_than_one_at_it():
    found = scale(NORMAL).of(LATER, 5.0)
    assert (found > 0.75).mean() == pytest.approx(np.exp(-6.0), rel=0.2)


def test_beyond_every_score_seen_the_tail_goes_on():
    # Exponential scores get e times rarer with each unit.
    k = scale(NORMAL).of(np.array([31.0]), 30.0)[0]
    assert 1.0 / (2.0 * (1.0 - k)) - 1.0 == pytest.approx(1.0, abs=0.4)


def test_the_fewer_independent_scores_the_less_is_claimed_of_a_row_beyond_the_limit():
    scores = NORMAL[:1000]
    claimed = [scale(scores, warmup_rows=warmup).of(np.array([40.0]), 10.0)[0] for warmup in (0, 9, 99, 999)]
    assert min(claimed[:3]) > claimed[3]
    assert claimed[3] < 0.95


def test_a_plant_that_wanders_may_go_further_before_it_is_severe():
    steady, wandering = (scale(NORMAL[:500], allowance=factor).of(np.array([20.0]), 10.0)[0] for factor in (1.0, 4.0))
    assert wandering < steady


def test_a_few_wild_training_rows_do_not_hide_how_severe_a_fault_is():
    wild = NORMAL[:4000].copy()
    wild[2000:2010] = 1e4
    assert scale(wild).of(np.array([30.0]), 12.0)[0] > 0.85


def test_a_plant_that_stood_still_leaves_the_distance_from_the_limit():
    np.testing.assert_allclose(scale(np.zeros(50)).of(np.array([1.0, 4.0]), 2.0), [0.25, 0.75])


def test_a_detector_and_its_bundle_tell_the_same_severity(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(600, 3))
    detector = Detector("mahalanobis").fit(rows)
    later = np.random.default_rng(1).normal(size=(200, 3)) + np.linspace(0.0, 4.0, 200)[:, None]
    detector.save(tmp_path / "bundle", name="pump", version="1")
    found, loaded = detector.detect(later), Detector.load(tmp_path / "bundle").detect(later)
    np.testing.assert_array_equal(loaded.severity, found.severity)
    # Calibrated, and no longer the plain ratio.
    assert not np.allclose(SeverityScale().of(found.scores, found.limit), found.severity, equal_nan=True)
