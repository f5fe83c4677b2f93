"""Conformal intervals: ranks at their edges, coverage as promised, refusals with the number needed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.twin.domain.intervals import (
    Calibration,
    IntervalMethod,
    LevelInvalid,
    TooFewResiduals,
    calibrate,
    conformal_rank,
    judge,
    residuals_needed,
)


@pytest.mark.parametrize(
    ("count", "level", "rank"),
    [
        (9, 0.9, 9),
        (10, 0.9, 10),
        (19, 0.9, 18),
        (19, 0.95, 19),
        (99, 0.9, 90),
        (1, 0.5, 1),
        (9, 0.7, 7),
        (99, 0.29, 29),
        (600, 1e-300, 1),
        (1, 5e-324, 1),
    ],
)
def test_the_rank_is_the_ceiling_of_one_more_than_the_count_times_the_level(count: int, level: float, rank: int):
    assert conformal_rank(count, level) == rank


@pytest.mark.parametrize(("level", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_one_row_too_few_is_refused_with_the_number_needed(level: float, needed: int):
    assert residuals_needed(level) == needed
    assert conformal_rank(needed, level) == needed
    with pytest.raises(TooFewResiduals) as caught:
        conformal_rank(needed - 1, level)
    assert caught.value.facts == {"level": level, "count": needed - 1, "needed": needed}


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.1, 90, math.nan, math.inf])
def test_a_level_that_is_no_probability_is_refused(level: float):
    with pytest.raises(LevelInvalid):
        conformal_rank(1000, level)


@given(st.integers(19, 200), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_over_all_orders_of_exchangeable_rows_at_least_the_level_is_covered(count: int, level: float):
    """Leave each of n + 1 distinct scores out once: exactly `rank` of them lie within the radius of the others."""
    scores = np.arange(count + 1.0)
    rank = conformal_rank(count, level)
    covered = sum(score <= np.delete(scores, i)[rank - 1] for i, score in enumerate(scores))
    assert level <= covered / (count + 1) + 1e-9
    assert covered / (count + 1) < level + 1.0 / (count + 1) + 1e-9


@pytest.mark.parametrize("method", IntervalMethod)
def test_coverage_on_fresh_rows_is_the_level(method: IntervalMethod):
    rng = np.random.default_rng(1)
    spreads = rng.uniform(0.5, 3.0, 40_000)
    errors = rng.normal(size=40_000) * spreads
    calibration = calibrate(method, errors[:20_000], spreads[:20_000], floor=0.1)
    report = judge(errors[20_000:], calibration.half_widths(spreads[20_000:], 0.9), 0.9)
    assert report.coverage == pytest.approx(0.9, abs=0.01)


def test_where_the_spread_tells_the_error_normalised_intervals_score_better():
    rng = np.random.default_rng(2)
    spreads = rng.uniform(0.2, 5.0, 4_000)
    errors = rng.normal(size=4_000) * spreads
    winkler = {
        method: judge(
            errors[2_000:],
            calibrate(method, errors[:2_000], spreads[:2_000], floor=0.0).half_widths(spreads[2_000:], 0.9),
            0.9,
        ).winkler
        for method in IntervalMethod
    }
    assert winkler[IntervalMethod.NORMALIZED] < 0.9 * winkler[IntervalMethod.SPLIT]


@pytest.mark.parametrize("method", IntervalMethod)
def test_one_row_and_many_rows_get_the_same_width(method: IntervalMethod):
    calibration = Calibration(method, np.arange(1.0, 100.0), floor=0.5)
    spreads = np.array([0.0, 1.0, 2.5])
    assert [calibration.half_width(spread, 0.8) for spread in spreads] == calibration.half_widths(spreads, 0.8).tolist()


def test_a_higher_level_is_never_narrower():
    calibration = Calibration(IntervalMethod.SPLIT, np.sort(np.random.default_rng(3).exponential(size=500)))
    widths = [calibration.half_width(0.0, level) for level in np.linspace(0.05, 0.995, 100)]
    assert widths == sorted(widths)


def test_the_winkler_score_adds_two_over_alpha_times_what_was_missed():
    report = judge(np.array([0.0, 3.0]), np.array([1.0, 1.0]), 0.9)
    assert (report.coverage, report.width) == (0.5, 2.0)
    assert report.winkler == pytest.approx((2.0 + 2.0 + 20.0 * 2.0) / 2)
