"""Conformal intervals: ranks at their edges, coverage as promised, refusals with the number needed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from sklearn.linear_model import LinearRegression, QuantileRegressor

from services.twin.domain.intervals import (
    IntervalMethod,
    LevelInvalid,
    Outputs,
    TooFewResiduals,
    bounds_from_score,
    calibrate,
    conformal_rank,
    judge,
    residuals_needed,
    scores_of,
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


def noisy(count: int, seed: int) -> tuple[Outputs, np.ndarray]:
    """Rows whose noise grows with a known spread, with quantiles that are right but for a factor."""
    rng = np.random.default_rng(seed)
    spreads = rng.uniform(0.2, 5.0, count)
    prediction = rng.normal(size=count)
    outputs = Outputs(prediction, spreads, prediction - 1.2 * spreads, prediction + 1.2 * spreads)
    return outputs, prediction + rng.normal(size=count) * spreads


@pytest.mark.parametrize("method", IntervalMethod)
def test_coverage_on_fresh_rows_is_the_level(method: IntervalMethod):
    calibration = calibrate(method, *noisy(20_000, 1), floor=0.1)
    fresh, actual = noisy(20_000, 2)
    assert judge(actual, *calibration.bounds(fresh, 0.9), 0.9).coverage == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("method", [IntervalMethod.NORMALIZED, IntervalMethod.CQR])
def test_where_the_noise_depends_on_the_row_intervals_that_follow_it_score_better(method: IntervalMethod):
    fresh, actual = noisy(4_000, 4)
    winkler = {
        each: judge(actual, *calibrate(each, *noisy(4_000, 3)).bounds(fresh, 0.9), 0.9).winkler
        for each in (IntervalMethod.SPLIT, method)
    }
    assert winkler[method] < 0.9 * winkler[IntervalMethod.SPLIT]


@pytest.mark.parametrize("method", IntervalMethod)
def test_a_row_whose_score_is_the_calibrated_one_lies_on_the_end_of_its_interval(method: IntervalMethod):
    outputs, actual = noisy(99, 5)
    calibration = calibrate(method, outputs, actual, floor=0.5)
    lower, upper = calibration.bounds(outputs, 0.8)
    nearest = np.minimum(np.abs(actual - lower), np.abs(actual - upper))
    assert np.count_nonzero(nearest < 1e-9) == 1
    assert np.count_nonzero((lower - 1e-9 <= actual) & (actual <= upper + 1e-9)) == conformal_rank(99, 0.8)


@pytest.mark.parametrize("method", IntervalMethod)
def test_a_higher_level_is_never_narrower_and_the_prediction_lies_inside(method: IntervalMethod):
    outputs, actual = noisy(500, 6)
    calibration = calibrate(method, outputs, actual)
    previous = np.zeros(500)
    for level in np.linspace(0.05, 0.995, 50):
        lower, upper = calibration.bounds(outputs, level)
        assert np.all((lower <= outputs.prediction) & (outputs.prediction <= upper))
        assert np.all(upper - lower >= previous)
        previous = upper - lower


@pytest.mark.parametrize("method", [IntervalMethod.NORMALIZED, IntervalMethod.CQR])
def test_a_method_without_what_it_is_made_of_is_a_mistake_in_the_program(method: IntervalMethod):
    only = Outputs(np.zeros(3))
    with pytest.raises(ValueError, match="need"):
        bounds_from_score(method, only, 1.0)
    with pytest.raises(ValueError, match="need"):
        scores_of(method, only, np.zeros(3))


def test_split_intervals_are_those_of_mapie():
    """MAPIE takes the same rank of the same absolute errors."""
    rng = np.random.default_rng(7)
    rows = rng.uniform(-3, 3, (400, 2))
    actual = rows.sum(axis=1) + rng.normal(size=400)
    model = LinearRegression().fit(rows[:100], actual[:100])
    oracle = SplitConformalRegressor(model, confidence_level=[0.5, 0.8, 0.9, 0.95], prefit=True)
    oracle.conformalize(rows[100:300], actual[100:300])
    predicted, expected = oracle.predict_interval(rows[300:])
    ours = calibrate(IntervalMethod.SPLIT, Outputs(model.predict(rows[100:300])), actual[100:300])
    for column, level in enumerate([0.5, 0.8, 0.9, 0.95]):
        found = ours.bounds(Outputs(predicted), level)
        np.testing.assert_allclose(np.stack(found, axis=1), expected[:, :, column], rtol=1e-12)


def test_quantile_regression_intervals_are_those_of_mapie():
    """MAPIE's symmetric correction moves both quantiles by the same rank of the same scores."""
    rng = np.random.default_rng(8)
    rows = rng.uniform(0, 3, (900, 1))
    actual = rows[:, 0] + rng.normal(size=900) * rows[:, 0]
    lower, upper, middle = (
        QuantileRegressor(quantile=quantile, alpha=0.0).fit(rows[:300], actual[:300]) for quantile in (0.05, 0.95, 0.5)
    )
    oracle = ConformalizedQuantileRegressor([lower, upper, middle], confidence_level=0.9, prefit=True)
    oracle.conformalize(rows[300:600], actual[300:600])
    predicted, expected = oracle.predict_interval(rows[600:], symmetric_correction=True)
    outputs = [
        Outputs(middle.predict(part), lower_quantile=lower.predict(part), upper_quantile=upper.predict(part))
        for part in (rows[300:600], rows[600:])
    ]
    found = calibrate(IntervalMethod.CQR, outputs[0], actual[300:600]).bounds(outputs[1], 0.9)
    np.testing.assert_allclose(np.stack(found, axis=1), expected[:, :, 0], rtol=1e-9)
    np.testing.assert_array_equal(predicted, outputs[1].prediction)


def test_the_winkler_score_adds_two_over_alpha_times_what_was_missed():
    report = judge(np.array([0.0, 3.0]), np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 0.9)
    assert (report.coverage, report.width) == (0.5, 2.0)
    assert report.winkler == pytest.approx((2.0 + 2.0 + 20.0 * 2.0) / 2)
