"""Comparisons: right where a difference is there, and silent where it is not, however often one looks."""

import numpy as np
import pytest
from scipy.signal import lfilter

from services.twin.domain.comparison import (
    LEAST_OBSERVATIONS,
    LEVEL,
    Comparison,
    Verdict,
    compare,
    long_run_variance,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def in_runs(rng: np.random.Generator, rows: int, persistence: float, runs: int | None = None) -> np.ndarray:
    """Standard normal errors, each of which remembers the one before."""
    noise = rng.normal(size=(runs or 1, rows + 200))
    series = lfilter([np.sqrt(1.0 - persistence**2)], [1.0, -persistence], noise, axis=1)[:, 200:]
    return series if runs else series[0]


def compared(first: np.ndarray, other: np.ndarray) -> Comparison:
    found = compare(first, other, np.arange(len(first)))
    assert found is not None
    return found


def test_a_version_that_is_better_is_found_with_the_size_of_the_difference(rng: np.random.Generator):
    common = rng.normal(size=600)
    first, other = common + rng.normal(size=600), common + 0.3 * rng.normal(size=600)
    found, reverse = compared(first, other), compared(other, first)
    assert (found.verdict, reverse.verdict) == (Verdict.BETTER, Verdict.WORSE)
    assert found.rmse.mean == pytest.approx(np.sqrt(np.mean(other**2)) - np.sqrt(np.mean(first**2)))
    assert found.mae.mean == pytest.approx(np.mean(np.abs(other)) - np.mean(np.abs(first)))
    assert (found.needed, found.rows) == (None, 600)
    assert found.rmse.p_value < 1.0 - LEVEL
    assert reverse.rmse.mean == pytest.approx(-found.rmse.mean)


def test_the_interval_leaves_out_zero_where_the_p_value_is_below_the_level_and_only_there(rng: np.random.Generator):
    for shift in np.linspace(0.0, 0.6, 25):
        found = compared(rng.normal(size=200) + shift, rng.normal(size=200))
        for difference in (found.rmse, found.mae):
            assert difference.decided == (difference.p_value < 1.0 - LEVEL)


@pytest.mark.parametrize("persistence", [0.0, 0.8, 0.95])
def test_two_equal_versions_are_seldom_told_apart_though_their_errors_come_in_runs_and_one_looks_again_and_again(
    rng: np.random.Generator,
    persistence: float,
):
    runs, rows = 120, 1500
    common, one, two = (in_runs(rng, rows, persistence, runs) for _ in range(3))
    looks = np.unique(np.geomspace(LEAST_OBSERVATIONS, rows, 12).astype(int))
    false_alarms = sum(
        any(compared(first[:look], other[:look]).verdict is not Verdict.UNDECIDED for look in looks)
        for first, other in zip(common + 0.5 * one, common + 0.5 * two, strict=True)
    )
    # 5 % of 120 is 6; more than 12 would come up in one of a hundred such simulations.
    assert false_alarms <= 12


def test_a_test_that_takes_errors_for_independent_would_be_wrong_most_of_the_time(rng: np.random.Generator):
    runs, rows = 60, 1500
    common, one, two = (in_runs(rng, rows, 0.95, runs) for _ in range(3))
    differences = (common + 0.5 * one) ** 2 - (common + 0.5 * two) ** 2
    looks = np.unique(np.geomspace(LEAST_OBSERVATIONS, rows, 12).astype(int))
    naive = [any(abs(d[:n].mean()) > 1.96 * d[:n].std() / np.sqrt(n) for n in looks) for d in differences]
    assert np.mean(naive) > 0.5


def test_assets_that_take_turns_do_not_hide_their_runs(rng: np.random.Generator):
    # Ten assets, measured in turn: neighbours in time are independent, and each asset is off for long.
    first, other = (in_runs(rng, 400, 0.95, 10).T.ravel() for _ in range(2))
    by_asset = np.argsort(np.tile(np.arange(10), 400), kind="stable")
    by_time = np.arange(len(first))
    known, unknown = compare(first, other, by_asset), compare(first, other, by_time)
    assert known is not None
    assert unknown is not None
    assert known.rmse.half_width > 2.0 * unknown.rmse.half_width


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_the_long_run_variance_is_that_of_the_mean(rng: np.random.Generator, persistence: float):
    series = in_runs(rng, 2000, persistence, 40)
    truth = (1.0 + persistence) / (1.0 - persistence)
    assert np.mean([long_run_variance(one) for one in series]) == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("rows", [100, 200, 1000, 3000])
def test_an_interval_for_all_times_is_about_1_6_times_as_wide_as_one_for_a_single_look(
    rng: np.random.Generator, rows: int
):
    first, other = rng.normal(size=rows), rng.normal(size=rows)
    squares = (other**2 - first**2) / (np.sqrt(np.mean(first**2)) + np.sqrt(np.mean(other**2)))
    single_look = 1.96 * np.sqrt(long_run_variance(squares) / rows)
    assert compared(first, other).rmse.half_width / single_look == pytest.approx(1.6, abs=0.1)


def test_nothing_is_decided_by_a_few_observations_and_the_number_needed_is_told(rng: np.random.Generator):
    rows = LEAST_OBSERVATIONS - 1
    found = compared(np.full(rows, 3.0) + 0.1 * rng.normal(size=rows), 0.1 * rng.normal(size=rows))
    assert (found.verdict, found.needed) == (Verdict.UNDECIDED, 1)


def test_the_number_of_observations_needed_is_about_right(rng: np.random.Generator):
    first, other = rng.normal(0.0, 1.25, size=30_000), rng.normal(size=30_000)
    early = compared(first[:150], other[:150])
    assert early.verdict is Verdict.UNDECIDED
    assert early.needed is not None
    assert compared(first[: 3 * early.needed + 150], other[: 3 * early.needed + 150]).verdict is Verdict.BETTER


def test_equal_answers_are_equal_and_no_number_of_observations_changes_that(rng: np.random.Generator):
    errors = rng.normal(size=100)
    found = compared(errors, errors)
    assert (found.verdict, found.rmse.mean, found.rmse.p_value, found.needed) == (Verdict.UNDECIDED, 0.0, 1.0, None)


def test_without_observations_there_is_no_comparison():
    assert compare(np.empty(0), np.empty(0), np.empty(0, dtype=np.intp)) is None


def test_one_observation_is_compared_and_decides_nothing():
    found = compared(np.array([1.0]), np.array([2.0]))
    assert (found.verdict, found.rmse.mean) == (Verdict.UNDECIDED, 1.0)
