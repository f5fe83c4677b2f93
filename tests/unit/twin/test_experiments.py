"""Experiments: what contradicts itself, who is answered by which variant, and what a report says."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.twin.domain.comparison import Verdict
from services.twin.domain.experiment_report import Counts, ObservedErrors, in_words, make_report
from services.twin.domain.experiments import Arm, Experiment, ExperimentInvalid, Plan, Sticky

NOW = datetime(2026, 4, 1, tzinfo=UTC)
KEYS = [f"acme.osaka.r{number}" for number in range(4000)]


def experiment(*weights: float, sticky: Sticky = Sticky.KEY, shadows: int = 0, model: str = "yield") -> Experiment:
    variants = tuple(Arm("ABCD"[place], str(place + 1), weight) for place, weight in enumerate(weights))
    plan = Plan(variants, tuple(Arm(f"S{n}", f"s{n}") for n in range(shadows)), sticky)
    return Experiment(model, "id", plan, NOW, "kato")


def assigned(running: Experiment, keys: list[str] = KEYS) -> list[str]:
    return [running.choose(sticky_key=key, request_id="r").variant for key in keys]


@pytest.mark.parametrize(
    "arguments",
    [
        {"variants": ()},
        {"variants": (Arm("A", "1", 1.0),)},
        {"variants": (Arm("A", "1", 1.0), Arm("A", "2", 1.0))},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "1", 1.0))},
        {"variants": (Arm("A", "1", 1.0),), "shadows": (Arm("S", "1"),)},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "2", 0.0))},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "2", -1.0))},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "2", float("nan")))},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "2", float("inf")))},
        {"variants": (Arm("A", "1", 1.0), Arm("B", "2"))},
        {"variants": tuple(Arm(str(number), str(number), 1.0) for number in range(9))},
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ExperimentInvalid):
        Plan(**arguments)


def test_one_variant_with_a_shadow_is_an_experiment():
    choice = experiment(1.0, shadows=2).choose(sticky_key=None, request_id="r")
    assert (choice.variant, choice.version, choice.shadows) == ("A", "1", ("s0", "s1"))


@pytest.mark.parametrize("weights", [(0.5, 0.5), (70.0, 30.0), (0.01, 0.99), (1.0, 1.0, 2.0)])
def test_shares_follow_the_weights(weights: tuple[float, ...]):
    counted = Counter(assigned(experiment(*weights)))
    for place, weight in enumerate(weights):
        share = weight / sum(weights)
        # Four standard deviations of a binomial share.
        tolerance = 4.0 * (share * (1.0 - share) / len(KEYS)) ** 0.5
        assert counted["ABCD"[place]] / len(KEYS) == pytest.approx(share, abs=tolerance)


@given(st.text(max_size=200))
def test_every_key_is_always_answered_by_the_same_variant(key: str):
    encodable = key.encode(errors="replace").decode()
    assert len(set(assigned(experiment(0.5, 0.5), [encodable] * 3))) == 1


def test_assignments_are_the_same_in_every_process_and_release():
    assert "".join(assigned(experiment(0.5, 0.5), KEYS[:16])) == "BABABBBAABAABBAB"


def test_another_weight_moves_no_more_keys_than_it_must_and_in_one_direction():
    before, after = assigned(experiment(1.0, 1.0, 1.0)), assigned(experiment(1.0, 1.0, 2.0))
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert {new for _, new in moved} == {"C"}
    # C's share grows from a third to a half.
    assert len(moved) / len(KEYS) == pytest.approx(1 / 6, abs=0.025)


def test_another_model_splits_its_assets_anew():
    same = [a == b for a, b in zip(assigned(experiment(1, 1)), assigned(experiment(1, 1, model="power")), strict=True)]
    assert np.mean(same) == pytest.approx(0.5, abs=0.035)


@pytest.mark.parametrize(("sticky", "key"), [(Sticky.REQUEST, "acme.r101"), (Sticky.KEY, None)])
def test_per_request_or_without_a_key_chance_decides(sticky: Sticky, key: str | None):
    running = experiment(0.5, 0.5, sticky=sticky)
    counted = Counter(running.choose(sticky_key=key, request_id=f"r{n}").variant for n in range(1000))
    assert counted["A"] == pytest.approx(500, abs=65)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (experiment(0.9, 0.1, sticky=Sticky.REQUEST), True),
        (experiment(0.5, 0.5, 1.0), False),
        (experiment(0.5, 0.5, shadows=1), False),
    ],
)
def test_other_weights_compare_the_same_and_other_versions_do_not(other: Experiment, same: bool):
    assert experiment(0.5, 0.5).plan.compares_the_same_as(other.plan) is same


def observed(errors: np.ndarray, groups: np.ndarray | None = None) -> ObservedErrors:
    rows = len(errors)
    numbers = np.arange(rows) if groups is None else groups
    return ObservedErrors(numbers, np.zeros(rows, int), errors, np.abs(errors) < 1.5, np.full(rows, 3.0))


def test_a_report_holds_what_was_counted_and_measured_of_each_arm():
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 400), rng.normal(0, 2, 400)
    counts = {"A": Counts(predictions=10, cache_hits=4), "S0": Counts(compared=4, difference_sum=2.0)}
    report = make_report(experiment(3.0, 1.0, shadows=1), counts, {"1": observed(bad), "2": observed(good)}, unit="MW")
    first, second, shadow = report.arms
    assert [arm.share for arm in report.arms] == [0.75, 0.25, None]
    assert (first.counts.cache_hit_rate, second.counts.cache_hit_rate) == (0.4, None)
    assert (shadow.counts.difference_mean, shadow.quality, first.comparison) == (0.5, None, None)
    assert first.quality is not None
    assert first.quality.rmse == pytest.approx(np.sqrt(np.mean(bad**2)))
    assert (first.quality.bias, first.quality.mean_width) == (pytest.approx(bad.mean()), 3.0)
    assert second.comparison is not None
    assert second.comparison.verdict is Verdict.BETTER
    # Two comparisons share the risk of 5 %.
    assert report.level == 0.975
    assert in_words(second, first="A", unit="MW").startswith("B better than A by 1.")
    assert in_words(second, first="A", unit="MW").endswith("MW RMSE (400 observations)")
    assert in_words(shadow, first="A", unit="MW").startswith("undecided: no observation")


def test_only_observations_that_both_were_compared_with_count():
    errors = np.ones(100)
    one, other = observed(errors, np.arange(100)), observed(2 * errors, np.arange(90, 190))
    report = make_report(experiment(1.0, 1.0), {}, {"1": one, "2": other}, unit=None)
    assert report.arms[1].comparison is not None
    assert (report.arms[1].comparison.rows, report.arms[1].comparison.rmse.mean) == (10, 1.0)


@pytest.mark.parametrize("weight", [1e-320, 1e308])
def test_weights_at_the_ends_of_what_a_number_holds_share_as_others_do(weight: float):
    running = experiment(weight, weight)
    assert running.plan.shares == {"A": 0.5, "B": 0.5}
    assert Counter(assigned(running))["A"] == pytest.approx(len(KEYS) / 2, rel=0.1)
    assert set(assigned(experiment(1e-320, 1e308))) == {"B"}
