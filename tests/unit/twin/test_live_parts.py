"""The parts of live quality: experts, bias, coverage limits, settings, corrections of the past."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.twin.domain.adaptive_conformal import LEVELS, Experts, adapted_scores, rank_share, typical_scores
from services.twin.domain.bias import BIAS_ROWS, shrunken_bias
from services.twin.domain.coverage import RAISE_PROBABILITY, CoverageState, likely_range, next_state
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs, TooFewResiduals
from services.twin.domain.live_correction import CorrectionHistory, LiveCorrection
from services.twin.domain.live_settings import CoverageBand, LiveSettings, LiveSettingsInvalid

BAND = CoverageBand()


def test_new_experts_serve_every_level_by_its_own_quantile():
    recent = np.arange(1.0, 200.0)
    scores = adapted_scores(recent, Experts.new())
    assert [scores.score(level) for level in (0.5, 0.9, 0.95, 0.99)] == [100.0, 180.0, 190.0, 198.0]
    assert scores.clamped is False


def test_a_level_that_asks_for_more_than_the_largest_score_gets_that_one_and_says_so():
    experts = Experts.new()
    for _ in range(200):
        experts = experts.after(0.0)
    scores = adapted_scores(np.arange(1.0, 101.0), experts)
    assert scores.score(0.99) == 100.0
    assert scores.clamped is True


@given(st.lists(st.floats(0, 1), max_size=150))
def test_the_learned_levels_ascend_whatever_was_observed(shares: list[float]):
    experts = Experts.new()
    for share in shares:
        experts = experts.after(share)
    levels = experts.levels()
    assert len(levels) == len(LEVELS)
    assert np.all(np.diff(levels) >= 0)
    assert np.allclose(experts.weights.sum(axis=1), 1.0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.floats(-120, 120))
def test_the_rank_share_is_the_share_of_misses_below_which_the_score_is_held(values: list[float], score: float):
    recent = np.sort(values)
    share = rank_share(recent, score)
    rank = round((len(recent) + 1) * (1.0 - share)) + 1
    if score > recent[-1]:
        assert share == 0.0
    else:
        assert score <= recent[rank - 1]
        assert rank == 1 or recent[rank - 2] < score


def test_typical_scores_have_the_quantiles_of_the_calibration():
    scores = np.arange(1_000.0)
    assert np.allclose(np.quantile(typical_scores(scores, 50), [0.1, 0.5, 0.9]), [100, 500, 900], atol=15)
    assert len(typical_scores(scores, 0)) == 0
    assert typical_scores(np.array([1.0, 2.0]), 4).tolist() == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("residuals", "expected"),
    [
        ([], 0.0),
        ([5.0] * 4, 0.0),
        ([5.0] * 5, 5.0),
        ([-1.0, 1.0] * 20, 0.0),
        ([3.0] * 40 + [1e90] * 10, 3.0),
        ([100.0] * 500 + [2.0] * BIAS_ROWS, 2.0),
    ],
)
def test_the_bias_is_that_of_the_middle_of_the_newest_residuals(residuals: list[float], expected: float):
    assert shrunken_bias(residuals) == pytest.approx(expected)


@given(st.lists(st.floats(-1e100, 1e100), max_size=80))
def test_the_bias_lies_between_zero_and_a_residual(residuals: list[float]):
    bias = shrunken_bias(residuals)
    assert min([0.0, *residuals]) * 1.0000001 <= bias <= max([0.0, *residuals]) * 1.0000001


def test_the_bias_of_noise_is_mostly_taken_for_chance():
    rng = np.random.default_rng(0)
    found = [shrunken_bias(rng.normal(size=50).tolist()) for _ in range(400)]
    assert np.mean(np.array(found) == 0.0) > 0.5
    assert np.std(found) < 0.15


def tail(limit: int, rows: int, share: float) -> float:
    """The probability of so few or fewer, by the textbook."""
    return math.fsum(math.comb(rows, k) * share**k * (1 - share) ** (rows - k) for k in range(limit + 1))


@pytest.mark.parametrize("rows", [10, 50, 200, 1_000])
def test_an_alarm_needs_a_count_that_chance_hardly_ever_brings(rows: int):
    low = max(k for k in range(rows) if next_state(CoverageState.OK, covered=k, rows=rows, band=BAND) == "low")
    assert tail(low, rows, BAND.lower) < RAISE_PROBABILITY <= tail(low + 1, rows, BAND.lower)
    still = next_state(CoverageState.LOW, covered=low + 1, rows=rows, band=BAND)
    assert (still, next_state(CoverageState.OK, covered=low + 1, rows=rows, band=BAND)) == ("low", "ok")
    assert next_state(CoverageState.LOW, covered=round(0.87 * rows), rows=rows, band=BAND) == "ok"


def test_intervals_that_hold_everything_alarm_too_once_there_are_enough_rows():
    assert next_state(CoverageState.OK, covered=60, rows=60, band=BAND) is CoverageState.OK
    assert next_state(CoverageState.OK, covered=200, rows=200, band=BAND) is CoverageState.HIGH
    assert next_state(CoverageState.HIGH, covered=193, rows=200, band=BAND) is CoverageState.HIGH
    assert next_state(CoverageState.HIGH, covered=184, rows=200, band=BAND) is CoverageState.OK


@pytest.mark.parametrize(("covered", "rows"), [(0, 1), (1, 1), (9, 10), (200, 200)])
def test_the_likely_range_holds_the_share_and_stays_a_share(covered: int, rows: int):
    lower, upper = likely_range(covered, rows)
    assert 0.0 <= lower <= covered / rows + 1e-12
    assert covered / rows - 1e-12 <= upper <= 1.0


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"bias": True}, {"/bias"}),
        ({"bias_update": 1, "adaptive": "yes"}, {"/bias_update", "/adaptive"}),
        ({"window_rows": 200.0}, {"/window_rows"}),
        ({"window_rows": 49}, {"/window_rows", "/coverage_band/rows"}),
        ({"window_rows": 2001}, {"/window_rows"}),
        ({"coverage_band": 0.9}, {"/coverage_band"}),
        ({"coverage_band": {"lower": "0.8", "rows": True, "size": 1}},
         {"/coverage_band/lower", "/coverage_band/rows", "/coverage_band/size"}),
        ({"coverage_band": {"lower": 0.95}}, {"/coverage_band"}),
        ({"coverage_band": {"lower": float("nan")}}, {"/coverage_band"}),
        ({"coverage_band": {"upper": 1.0, "rows": 201}}, {"/coverage_band", "/coverage_band/rows"}),
    ],
)  # fmt: skip
def test_live_settings_that_make_no_sense_are_refused_with_every_fault(document: dict[str, Any], pointers: set[str]):
    with pytest.raises(LiveSettingsInvalid) as caught:
        LiveSettings.of(document)
    assert {fault.pointer for fault in caught.value.faults} == pointers


def test_live_settings_are_read_as_they_were_written():
    written = LiveSettings(bias_update=True, window_rows=300, coverage_band=CoverageBand(0.85, 0.95, 100))
    assert LiveSettings.of(written.to_json()) == written
    assert LiveSettings.of({}) == LiveSettings()
    assert LiveSettings.of({"window_rows": 500}).coverage_band.rows == 500


def test_the_correction_of_a_moment_is_the_one_that_was_in_force_then():
    history = CorrectionHistory()
    assert history.in_force_at(5) == LiveCorrection()
    for since_ms in (10, 20, 20, 30):
        history = history.followed_by(LiveCorrection(since_ms, bias=float(since_ms)), since_ms)
    assert [history.in_force_at(at).revision for at in (10, 19, 20, 29, 30, 99)] == [10, 10, 20, 20, 30, 30]
    assert history.in_force_at(9).revision == 30
    assert [past.since_ms for past in history.past] == [10, 20, 30]


def test_a_long_history_grows_sparser_towards_its_beginning_and_stays_small():
    history = CorrectionHistory()
    for since_ms in range(5_000):
        history = history.followed_by(LiveCorrection(since_ms), since_ms)
    gaps = np.diff([past.since_ms for past in history.past])
    assert len(history.past) <= 64
    assert np.all(gaps[-24:] == 1)
    assert gaps[0] > 100


def test_a_correction_gives_no_level_that_the_calibration_does_not():
    few = Calibration(IntervalMethod.SPLIT, np.arange(1.0, 13.0))
    scores = adapted_scores(np.arange(1.0, 201.0), Experts.new())
    correction = LiveCorrection(1, 2.0, scores)
    prediction, lower, upper = correction.correct(few, Outputs(np.zeros(1)), 0.9)
    assert (prediction[0], lower[0], upper[0]) == (2.0, -179.0, 183.0)
    with pytest.raises(TooFewResiduals):
        correction.correct(few, Outputs(np.zeros(1)), 0.95)
