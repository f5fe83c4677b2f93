import numpy as np
import pytest

from services.anomaly.domain.options.reading import OptionsRefused, options_json
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.window_rule import Cap, choose_window, find_period, most_window_rows
from shared.errors import JSON


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
    found, reason = choose_window(
        Runs.unbroken(rows), usual_rows=50, caps=[Cap(most_rows, "the rows"), Cap(100, "the longest delay")]
    )
    assert found == window_rows
    assert ("one period" in reason) == (len(np.unique(rows)) > 1)
    assert ("cut to the rows" in reason) == (found == most_rows)


def test_longest_window_leaves_rows_to_score_in_the_limit_block():
    assert most_window_rows(400, 30) == 62
    assert most_window_rows(20, 30) == 2


@pytest.mark.parametrize(
    ("options", "window_rows"),
    [({"fault_rows": 20}, 20), ({"max_delay_rows": 12, "fault_rows": 30}, 12), ({"window_rows": "auto"}, 50)],
)
def test_window_is_no_longer_than_a_fault_or_the_longest_delay(options: dict[str, JSON], window_rows: int):
    plan = plan_training("lstm_autoencoder", options, None, rows=2000)
    assert plan.window_rows == window_rows
    assert plan.usual_window_rows == 50
    chosen = plan.with_window(window_rows).options
    assert plan_training("lstm_autoencoder", options_json(chosen), None, rows=2000).window_rows == window_rows


def test_bounds_beside_a_given_window_are_refused():
    with pytest.raises(OptionsRefused) as refusal:
        plan_training("lstm_autoencoder", {"window_rows": 30, "fault_rows": 20}, None, rows=2000)
    assert [fault.pointer for fault in refusal.value.faults] == ["/options/fault_rows"]
