from collections.abc import Callable

import numpy as np
import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.extreme_threshold import PeaksOverThreshold
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.threshold_rules import UnlabelledRule
from services.anomaly.domain.thresholds import (
    FalsePositiveRate,
    Margin,
    Percentile,
    RuleRefused,
    Sigma,
    Value,
)


def held_out(scores: np.ndarray, *, spacing_rows: int = 1) -> HeldOut:
    return HeldOut(scores, warmup_rows=spacing_rows - 1, training_rows=1000)


def test_margin_is_a_multiple_of_the_highest_held_out_score():
    threshold = Margin(factor=4.0).settle(held_out(np.array([1.0, 3.0, 2.0])))
    assert threshold.value == 12.0
    assert threshold.evidence["held_out_maximum"] == 3.0


@pytest.mark.parametrize(
    ("allowance", "independent", "factor"),
    [(1.0, 100, 1.25), (1.2, 6, 1.25), (2.0, 100, 2.0), (1.0, 3, 1.5), (1.0, 2, 1.75), (1.0, 1, 1.75), (5.0, 1, 5.0)],
)
def test_margin_is_by_default_what_the_sensors_may_wander_off_and_more_where_little_is_known(
    allowance: float, independent: int, factor: float
):
    threshold = Margin().settle(HeldOut(np.full(independent, 4.0), 0, 1000, allowance))
    assert threshold.value == pytest.approx(4.0 * factor)
    assert threshold.rule == {"method": "margin", "factor": None}
    assert threshold.evidence["factor"] == pytest.approx(factor)


@pytest.mark.parametrize(("rows", "wild", "value"), [(199, 1, 1000.0), (200, 1, 1.0), (200, 2, 1000.0), (1000, 5, 1.0)])
def test_margin_forgives_half_a_percent_of_wild_rows(rows: int, wild: int, value: float):
    scores = np.ones(rows)
    scores[:wild] = 1000.0
    threshold = Margin(factor=1.0).settle(held_out(scores))
    assert threshold.value == value
    assert threshold.evidence["rows_left_out"] == rows // 200


@pytest.mark.parametrize(
    ("n", "q", "value"),
    [(19, 95.0, 19.0), (20, 95.0, 20.0), (39, 95.0, 38.0), (99, 95.0, 95.0), (99, 50.0, 50.0)],
)
def test_percentile_takes_the_rank_of_n_plus_one(n: int, q: float, value: float):
    assert Percentile(q=q).settle(held_out(np.arange(1.0, n + 1))).value == value


def test_percentile_keeps_its_rate_on_average_over_training_sets():
    rng = np.random.default_rng(0)
    rates = [
        (rng.normal(size=200) > Percentile(q=90.0).settle(held_out(rng.normal(size=29) + 0.0)).value).mean()
        for _ in range(400)
    ]
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)


def test_false_positive_rate_is_kept_by_nine_training_sets_of_ten():
    rng = np.random.default_rng(0)
    limits = [
        FalsePositiveRate(max_fpr=0.1).settle(held_out(rng.uniform(size=100) + 1.0)).value - 1.0 for _ in range(1000)
    ]
    kept = np.mean([1.0 - limit <= 0.1 for limit in limits])
    assert 0.88 < kept < 0.95


@pytest.mark.parametrize(
    ("rule", "independent"),
    [
        (Percentile(q=95.0), 19),
        (Percentile(q=99.0), 99),
        (FalsePositiveRate(max_fpr=0.05), 45),
        (Sigma(k=3.0), 20),
        (PeaksOverThreshold(), 100),
    ],
)
def test_rule_is_refused_just_below_the_rows_it_needs_and_says_how_many(rule: UnlabelledRule, independent: int):
    enough = np.arange(1.0, independent * 30 + 1)
    rule.settle(held_out(enough, spacing_rows=30))
    with pytest.raises(TooFewRows) as refusal:
        rule.settle(held_out(enough[:-1], spacing_rows=30))
    assert refusal.value.facts["needed"] == -(-(independent * 30 + 29) * 10 // 3)


def test_neighbouring_rows_do_not_count_as_independent():
    with pytest.raises(TooFewRows):
        Percentile(q=95.0).settle(held_out(np.arange(1.0, 101.0), spacing_rows=30))


def test_sigma_is_wider_than_the_plain_rule():
    scores = np.random.default_rng(0).normal(10.0, 1.0, size=40)
    assert Sigma(k=3.0).settle(held_out(scores)).value > scores.mean() + 3.0 * scores.std()


def test_fixed_value_states_what_held_out_rows_say_of_it():
    threshold = Value(2.5).settle(held_out(np.array([1.0, 2.0, 3.0, 4.0])))
    assert (threshold.value, threshold.evidence["held_out_fpr"]) == (2.5, 0.5)


def test_limit_of_a_plant_that_stood_still_is_above_zero():
    assert Margin().settle(held_out(np.zeros(10))).value > 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Margin(factor=0.0),
        lambda: Percentile(q=100.0),
        lambda: Percentile(q=0.0),
        lambda: Sigma(k=-1.0),
        lambda: FalsePositiveRate(max_fpr=1.0),
        lambda: PeaksOverThreshold(risk=0.1),
        lambda: Value(0.0),
        lambda: Value(float("nan")),
    ],
)
def test_setting_outside_its_range_is_refused(make: Callable[[], UnlabelledRule]):
    with pytest.raises(RuleRefused):
        make()


@pytest.mark.parametrize("draw", ["exponential", "standard_normal", "lognormal"])
def test_peaks_over_threshold_are_exceeded_about_as_often_as_asked(draw: str):
    rng = np.random.default_rng(0)
    sample = {"exponential": rng.exponential, "standard_normal": rng.standard_normal, "lognormal": rng.lognormal}[draw]
    rates = []
    for _ in range(60):
        scores = np.abs(sample(size=1000)).reshape(-1)
        limit = PeaksOverThreshold(risk=1e-3).settle(held_out(scores)).value
        rates.append((np.abs(sample(size=20_000)) > limit).mean())
    assert 2e-4 < np.mean(rates) < 2.5e-3


def test_peaks_over_threshold_reach_beyond_the_highest_score():
    scores = np.random.default_rng(0).exponential(size=200)
    assert PeaksOverThreshold(risk=1e-4).settle(held_out(scores)).value > scores.max()


def test_peaks_over_threshold_of_scores_that_never_vary_stay_at_them():
    assert PeaksOverThreshold().settle(held_out(np.full(200, 3.0))).value == 3.0


def test_rate_is_kept_as_surely_by_a_plant_whose_rows_remember_one_another():
    kept = []
    for seed in range(60):
        scores = np.random.default_rng(seed).normal(size=6000)
        for i in range(1, len(scores)):
            scores[i] += 0.9 * scores[i - 1]
        scores **= 2
        seen = HeldOut.measured(scores[:1000], warmup_rows=0, training_rows=3000, allowance=1.0, sensors=1)
        kept.append((scores[1000:] > FalsePositiveRate(0.1).settle(seen).value).mean() <= 0.1)
    assert np.mean(kept) >= 0.85


def test_refusal_of_a_slow_plant_counts_the_rows_that_it_needs():
    slow = HeldOut(np.linspace(0.0, 1.0, 300), 4, 1000, rows_each=50.0)
    assert slow.independent == 6
    with pytest.raises(TooFewRows) as refusal:
        FalsePositiveRate(0.05).settle(slow)
    assert refusal.value.rows_needed == pytest.approx(45 * 50 / 0.3, rel=0.01)


@pytest.mark.parametrize(("sensors", "factor"), [(1, 1.5 * 1.25), (3, 1.25 * 7 / 6), (52, 1.25)])
def test_margin_is_wider_where_a_score_is_made_of_few_sensors(sensors: int, factor: float):
    threshold = Margin().settle(HeldOut(np.full(100, 4.0), 0, 1000, sensors=sensors))
    assert threshold.evidence["factor"] == pytest.approx(factor, rel=1e-3)
    assert Margin(1.1).settle(HeldOut(np.full(100, 4.0), 0, 1000, sensors=sensors)).evidence["factor"] == 1.1
