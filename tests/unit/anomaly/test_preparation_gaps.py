import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.anomaly.domain.preparation_gaps import (
    Cadence,
    Patience,
    after_warm_up,
    find_cadence,
    hold,
    run_starts,
)
from services.anomaly.domain.usability import Reason

NAN = np.nan


def held(column: list[float], gap_rows: int, pauses: list[int] | None = None) -> tuple[list[float], list[bool]]:
    rows = np.array(column)[:, None]
    paused = np.zeros(len(rows), np.bool_)
    paused[pauses or []] = True
    values, too_much = hold(rows, paused, Patience(gap_rows, 1))
    return values[:, 0].tolist(), too_much.tolist()


@pytest.mark.parametrize(
    ("column", "gap_rows", "values", "too_much"),
    [
        ([1.0, NAN, NAN, 4.0], 2, [1.0, 1.0, 1.0, 4.0], []),
        ([1.0, NAN, NAN, 4.0], 1, [1.0, 1.0, 0.0, 4.0], [2]),
        ([NAN, 2.0, NAN], 5, [0.0, 2.0, 2.0], [0]),
        ([1.0, NAN], 0, [1.0, 0.0], [1]),
        ([NAN, NAN], 3, [0.0, 0.0], [0, 1]),
    ],
)
def test_last_reading_stands_in_for_a_few_missing_ones(
    column: list[float], gap_rows: int, values: list[float], too_much: list[int]
):
    found, marked = held(column, gap_rows)
    assert found == values
    assert np.flatnonzero(marked).tolist() == too_much


def test_reading_from_before_a_pause_stands_in_for_nothing_after_it():
    assert held([1.0, NAN, 3.0, NAN], 3, pauses=[1]) == ([1.0, 0.0, 3.0, 3.0], [False, True, False, False])


def test_row_that_lacks_too_many_sensors_is_not_used():
    rows = np.array([[1.0, 1.0, 1.0], [NAN, NAN, 2.0], [NAN, 3.0, 3.0]])
    _, too_much = hold(rows, np.zeros(3, np.bool_), Patience(5, 1))
    assert too_much.tolist() == [False, True, False]


@given(
    arrays(np.float64, (25, 2), elements=st.sampled_from([1.0, 2.0, NAN])),
    st.integers(0, 4),
    st.integers(0, 24),
)
def test_no_reading_changes_what_is_held_before_it(rows: np.ndarray, gap_rows: int, changed: int):
    pauses = np.zeros(len(rows), np.bool_)
    before = hold(rows, pauses, Patience(gap_rows, 2))
    other = rows.copy()
    other[changed:] = 9.0
    after = hold(other, pauses, Patience(gap_rows, 2))
    np.testing.assert_array_equal(before[0][:changed], after[0][:changed])
    np.testing.assert_array_equal(before[1][:changed], after[1][:changed])


def test_rows_that_miss_nothing_are_not_copied():
    rows = np.ones((4, 2))
    assert hold(rows, np.zeros(4, np.bool_), Patience(1, 1))[0] is rows


@pytest.mark.parametrize("times", [[], [7]])
def test_one_row_has_no_cadence(times: list[int]):
    assert find_cadence(np.array(times, np.int64), Patience(5, 1)) is None


@pytest.mark.parametrize(("step", "pause"), [(10, False), (35, False), (36, True)])
def test_as_many_rows_may_be_lost_as_readings(step: int, pause: bool):
    cadence = Cadence(step_us=10, gap_us=35)
    assert cadence.pauses(np.array([0, 10, 10 + step])).tolist() == [False, False, pause]


def test_score_waits_for_consecutive_rows_after_every_break():
    off, missing = Reason.MACHINE_OFF, Reason.MISSING
    own = np.array([0, 0, 0, off, 0, 0, 0, missing, 0, 0, 0], np.int8)
    pauses = np.zeros(len(own), np.bool_)
    pauses[9] = True
    reasons = after_warm_up(own, run_starts(own, pauses), 2)
    warm, gap = Reason.WARM_UP, Reason.AFTER_GAP
    assert reasons.tolist() == [warm, warm, 0, off, gap, gap, 0, missing, gap, gap, gap]
