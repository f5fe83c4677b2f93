"""A limit that follows drift: what bounds it, what it follows, and what it must not learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.adaptive import Adaptation, Adapted, AdaptiveLimit, AdaptiveState, read_adaptation
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.threshold_rules import read_rule, read_unlabelled_rule
from services.anomaly.domain.thresholds import Margin, RuleRefused, Value

HORIZON_ROWS = 2000
LIMIT = AdaptiveLimit(
    Adaptation(HORIZON_ROWS, 2.0),
    calibrated=4.0,
    usual_score=0.95,
    clear_score=2.0,
    lowest=2.5,
    spacing_rows=10,
    off_delay_rows=10,
)


def normal_scores(rows: int, seed: int = 0) -> np.ndarray:
    """Scores of smoothed rows in normal operation: mean 1, one in 2000 above 3."""
    return np.random.default_rng(seed).chisquare(12, rows) / 12.0


@given(
    st.lists(st.one_of(st.floats(0.0, 100.0), st.just(float("nan"))), max_size=200),
    st.floats(-0.4, math.log(2.0)),
    st.integers(0, 30),
)
def test_limit_stays_between_its_bounds_and_moves_by_one_step_a_row(scores: list[float], moved: float, hold: int):
    limits, state = LIMIT.follow(AdaptiveState(moved, hold), np.array(scores))
    every = np.log([*limits, LIMIT.in_force(state)])
    assert (np.abs(np.diff(every)) <= math.log(2.0) / HORIZON_ROWS + 1e-12).all()
    assert (np.exp(every) <= 8.0 + 1e-9).all()
    assert (np.exp(every) >= 2.5 - 1e-9).all()


@given(st.lists(st.floats(0.0, 10.0), max_size=60), st.integers(0, 60))
def test_limit_does_not_depend_on_how_rows_are_cut_into_calls(scores: list[float], cut: int):
    whole, after = LIMIT.follow(AdaptiveState(), np.array(scores))
    first, between = LIMIT.follow(AdaptiveState(), np.array(scores[:cut]))
    second, last = LIMIT.follow(between, np.array(scores[cut:]))
    np.testing.assert_array_equal(np.concatenate((first, second)), whole)
    assert last == after


def test_slow_benign_drift_is_followed_where_a_fixed_limit_alarms():
    rows = 6 * HORIZON_ROWS
    scores = normal_scores(rows) * np.exp(np.linspace(0.0, math.log(1.9), rows))
    limits, _ = LIMIT.follow(AdaptiveState(), scores)
    late = slice(rows // 2, None)
    assert (scores > 4.0)[late].sum() > 20
    assert (scores > limits)[late].sum() < 5
    assert limits[-1] > 1.5 * 4.0


def test_season_that_comes_back_does_not_carry_the_limit_away():
    rows = 10 * HORIZON_ROWS
    season = np.exp(0.3 * np.sin(np.arange(rows) / HORIZON_ROWS * 2.0 * math.pi / 5.0))
    limits, _ = LIMIT.follow(AdaptiveState(), normal_scores(rows) * season)
    assert 0.6 * 4.0 < limits.min() <= limits.max() < 1.6 * 4.0


@pytest.mark.parametrize("rows_to_double", [50, 200, 1000])
def test_fault_that_grows_is_found_soon_after_a_fixed_limit_would_find_it(rows_to_double: int):
    before, ramp = normal_scores(3000) * 0.3, np.arange(12 * rows_to_double)
    fault = normal_scores(len(ramp), seed=1) * 0.3 + 0.3 * np.exp2(ramp / rows_to_double)
    limit = AdaptiveLimit(
        Adaptation(20_000, 2.0),
        calibrated=4.0,
        usual_score=0.28,
        clear_score=2.0,
        lowest=2.5,
        spacing_rows=10,
        off_delay_rows=10,
    )
    limits, _ = limit.follow(AdaptiveState(), np.concatenate((before, fault)))
    fixed = int(np.argmax(fault > 4.0))
    found = int(np.argmax(fault > limits[len(before) :]))
    assert (fault > limits[len(before) :]).any()
    assert found <= fixed + rows_to_double


def test_fault_that_grows_as_slowly_as_drift_is_found_at_the_furthest_limit():
    rows = 30 * HORIZON_ROWS
    scores = normal_scores(rows) * np.exp(np.linspace(0.0, math.log(30.0), rows))
    limits, _ = LIMIT.follow(AdaptiveState(), scores)
    assert (scores > limits)[-HORIZON_ROWS:].mean() > 0.9
    assert limits.max() <= 8.0 + 1e-9


def test_step_fault_is_never_learned_however_long_it_lasts():
    scores = np.concatenate((normal_scores(500), normal_scores(50_000, seed=1) + 4.5))
    limits, state = LIMIT.follow(AdaptiveState(), scores)
    assert (scores[500:] > limits[500:]).all()
    assert LIMIT.in_force(state) == limits[500]


def test_fault_that_comes_and_goes_teaches_nothing_in_its_quiet_rows():
    scores = np.where(np.arange(20_000) % 25 == 0, 9.0, 1.9)
    patient = replace(LIMIT, off_delay_rows=30)
    limits, _ = patient.follow(AdaptiveState(), scores)
    assert set(limits) == {4.0}


def test_nothing_is_learned_for_a_while_after_an_alarm():
    _, state = LIMIT.follow(AdaptiveState(), np.array([9.0]))
    quiet, after = LIMIT.follow(state, np.full(20, 0.1))
    assert set(quiet) == {4.0}
    assert LIMIT.follow(after, np.full(20, 0.1))[1].moved < 0.0


def test_rule_with_the_setting_says_how_far_the_limit_may_move():
    held_out = HeldOut(np.linspace(0.1, 2.0, 200), 9, 1000)
    threshold = Adapted(Margin(4.0), Adaptation(5000, 3.0)).settle(held_out)
    assert threshold.rule == {
        "method": "margin",
        "factor": 4.0,
        "adaptive": {"horizon_rows": 5000, "max_factor": 3.0},
    }
    limit = AdaptiveLimit.of(threshold, spacing_rows=10, off_delay_rows=10)
    assert limit is not None
    settled = Margin(4.0).settle(held_out)
    assert (limit.calibrated, limit.adaptation) == (settled.value, Adaptation(5000, 3.0))
    assert limit.lowest == pytest.approx(settled.value / 3.0)
    assert limit.clear_score == pytest.approx(settled.value / 2.0)


def test_limit_below_every_normal_score_has_nothing_to_learn_from():
    threshold = Adapted(Value(0.01)).settle(HeldOut(normal_scores(500), 9, 1000))
    limit = AdaptiveLimit.of(threshold, spacing_rows=10, off_delay_rows=10)
    assert limit is not None
    assert limit.follow(AdaptiveState(), normal_scores(100))[1].moved == 0.0


def test_limit_that_was_set_without_the_setting_stays_where_it_is():
    assert (
        AdaptiveLimit.of(Margin(4.0).settle(HeldOut(np.ones(50), 9, 1000)), spacing_rows=10, off_delay_rows=10) is None
    )


def test_limit_near_the_normal_scores_still_learns_from_most_of_them():
    scores = normal_scores(6 * HORIZON_ROWS)
    threshold = Adapted(Margin(1.0), Adaptation(HORIZON_ROWS, 2.0)).settle(HeldOut(normal_scores(2000, 5), 0, 4000))
    limit = AdaptiveLimit.of(threshold, spacing_rows=1, off_delay_rows=1)
    assert limit is not None
    assert limit.clear_score > 0.5 * threshold.value
    _, state = limit.follow(AdaptiveState(), scores * np.exp(np.linspace(0.0, 0.5, len(scores))))
    assert state.moved > 0.2


def test_setting_is_read_beside_any_method_without_labels():
    assert read_rule({"method": "margin", "factor": 4, "adaptive": True}) == Adapted(Margin(4.0), Adaptation())
    assert read_unlabelled_rule({"method": "margin", "factor": 4, "adaptive": False}) == Margin(4.0)
    assert read_adaptation({"adaptive": {"max_factor": 3}})[1] == Adaptation(max_factor=3.0)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"method": "margin", "adaptive": "yes"}, "/adaptive"),
        ({"method": "margin", "adaptive": {"speed": 1}}, "/adaptive/speed"),
        ({"method": "margin", "adaptive": {"horizon_rows": 10}}, "/adaptive/horizon_rows"),
        ({"method": "margin", "adaptive": {"horizon_rows": 1000.5}}, "/adaptive/horizon_rows"),
        ({"method": "margin", "adaptive": {"max_factor": True}}, "/adaptive/max_factor"),
        ({"method": "f1", "adaptive": True}, "/adaptive"),
    ],
)
def test_setting_that_makes_no_sense_is_refused(document: dict[str, object], pointer: str):
    with pytest.raises(RuleRefused) as refusal:
        read_rule(document)
    assert [fault.pointer for fault in refusal.value.faults] == [pointer]
