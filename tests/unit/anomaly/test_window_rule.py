import numpy as np
import pytest

from services.anomaly.domain.runs import Runs
from services.anomaly.domain.window_rule import choose_window, find_period, most_window_rows


def swing(period: float, rows: int = 400, noise: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.sin(2.0 * np.pi * np.arange(rows)[:, None] / period + [0.0, 1.0]) + noise * rng.normal(size=(rows, 2))


@pytest.mark.parametrize("period", [10, 24, 44, 120])
def test_period_is_found_to_within_a_few_percent(period: int):
    found = find_period(Runs.unbroken(swing(period)))
    assert found is not None
    assert abs(found - period) <= max(0.05 * period, 1)


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(1).normal(size=(400, 2)),
        np.random.default_rng(1).normal(size=(400, 2)).cumsum(axis=0),
        np.ones((400, 2)),
        swing(4),
        swing(300),
        swing(30, rows=40),
        np.empty((0, 2)),
    ],
    ids=["noise", "walk", "constant", "too short", "too long", "too few cycles", "no rows"],
)
def test_where_nothing_repeats_there_is_no_period(rows: np.ndarray):
    assert find_period(Runs.unbroken(rows)) is None


def test_period_is_sought_in_the_longest_run():
    rows = np.concatenate((swing(24), np.random.default_rng(0).normal(size=(100, 2))))
    assert find_period(Runs(rows, np.array([400]))) == 24


@pytest.mark.parametrize(
    ("rows", "most_rows", "window_rows"),
    [(swing(24), 80, 24), (swing(24), 15, 15), (np.ones((400, 2)), 80, 50), (np.ones((400, 2)), 30, 30)],
)
def test_window_holds_a_period_or_is_the_usual_one_within_what_the_rows_allow(
    rows: np.ndarray, most_rows: int, window_rows: int
):
    found, reason = choose_window(Runs.unbroken(rows), usual_rows=50, most_rows=most_rows)
    assert found == window_rows
    assert ("one period" in reason) == (len(np.unique(rows)) > 1)
    assert ("cut" in reason) == (found == most_rows)


def test_longest_window_leaves_rows_to_score_in_the_limit_block():
    assert most_window_rows(400, 30) == 62
    assert most_window_rows(20, 30) == 2
