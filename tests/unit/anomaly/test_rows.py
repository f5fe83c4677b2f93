from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import ArrayLike

from services.anomaly.domain.rows import (
    FAULT_LIMIT,
    RowsRefused,
    check_columns,
    check_times,
    column_order,
    rows_from_array,
    rows_from_lists,
    times_from_array,
    times_us,
)

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "pointers"),
    [
        ([[1.0, None], [float("nan"), 2.0]], ["/rows/1/0"]),
        ([[1.0, 2.0], [float("nan"), float("inf")]], ["/rows/1/0", "/rows/1/1"]),
        ([[None, float("-inf")]], ["/rows/0/1"]),
        ([[None], [1.0, 2.0]], ["/rows/0"]),
        ([[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]], ["/rows/0", "/rows/2"]),
        ([[1e31, -1e31]], ["/rows/0/0", "/rows/0/1"]),
    ],
)
def test_faulty_rows_are_refused_with_the_place_of_every_fault(rows: list[list[float | None]], pointers: list[str]):
    with pytest.raises(RowsRefused) as refusal:
        rows_from_lists(rows, 2)
    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_list_of_faults_is_capped():
    with pytest.raises(RowsRefused, match=f"first {FAULT_LIMIT}") as refusal:
        rows_from_lists([[float("inf")]] * 1000, 1)
    assert len(refusal.value.faults) == FAULT_LIMIT


def test_no_rows_are_a_table_of_no_rows():
    assert rows_from_lists([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros(3),
        np.zeros((2, 0)),
        np.zeros((2, 2, 2)),
        [["a"]],
        [[1.0], [1.0, 2.0]],
        [[np.inf]],
        [[10**400]],
        np.full((2, 2), 1.0 + 2.0j),
        np.full((2, 2), np.datetime64("2026-04-01")),
        np.full((2, 2), np.timedelta64(1, "s")),
    ],
)
def test_what_is_no_table_of_readings_is_refused(rows: ArrayLike):
    with pytest.raises(RowsRefused):
        rows_from_array(rows)


def test_missing_readings_are_taken():
    assert np.isnan(rows_from_array([[np.nan, 1.0]])[0]).tolist() == [True, False]
    assert np.isnan(rows_from_array(np.ma.masked_equal([[7, 1]], 7))).tolist() == [[True, False]]
    assert np.isnan(rows_from_lists([[None, 1.0], [2.0, None]], 2)).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        (["a"], ["/columns"]),
        (["a", "b", "c"], ["/columns/2"]),
        (["a", "a", "b"], ["/columns/1"]),
        (["a", "x"], ["/columns/1", "/columns"]),
    ],
)
def test_columns_of_another_detector_are_refused(given: list[str], pointers: list[str]):
    with pytest.raises(RowsRefused) as refusal:
        column_order(given, ["a", "b"])
    assert [fault.pointer for fault in refusal.value.faults] == pointers


@pytest.mark.parametrize("columns", [["a", "a"], [""], [" a"], ["a\n"], ["x" * 129]])
def test_unusable_names_are_refused(columns: list[str]):
    with pytest.raises(RowsRefused):
        check_columns(columns)


@pytest.mark.parametrize(
    ("times", "pointers"),
    [
        ([NOON], ["/timestamps"]),
        ([NOON, NOON], ["/timestamps/1"]),
        ([NOON, NOON - timedelta(seconds=1)], ["/timestamps/1"]),
        ([NOON.replace(tzinfo=None), NOON], ["/timestamps/0"]),
    ],
)
def test_times_that_do_not_increase_are_refused(times: list[datetime], pointers: list[str]):
    with pytest.raises(RowsRefused) as refusal:
        check_times(times, 2)
    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_increasing_times_pass():
    check_times([NOON, NOON + timedelta(milliseconds=1)], 2)


def test_hour_that_a_clock_shows_twice_is_told_apart():
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    check_times([first, second], 2)
    with pytest.raises(RowsRefused):
        check_times([second, first + timedelta(minutes=10)], 2)


@pytest.mark.parametrize(
    "time",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_time_that_has_no_name_in_utc_is_refused(time: datetime):
    with pytest.raises(RowsRefused) as refusal:
        check_times([time], 1)
    assert [fault.pointer for fault in refusal.value.faults] == ["/timestamps/0"]


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_times_of_every_kind_become_microseconds_in_utc(unit: str):
    moments = [NOON, NOON + timedelta(microseconds=1_500_000)]
    naive = [moment.replace(tzinfo=None) for moment in moments]
    elsewhere = [moment.astimezone(timezone(timedelta(hours=9))) for moment in moments]
    expected = times_us(moments).tolist()
    for times in (naive, elsewhere, np.array(naive, "datetime64[us]")):
        assert times_from_array(times, 2).tolist() == expected
    whole = np.array(naive[:1], f"datetime64[{unit}]")
    assert times_from_array(whole, 1).tolist() == expected[:1]


@pytest.mark.parametrize(
    ("times", "pointer"),
    [
        ([1.0, 2.0], "/timestamps/0"),
        (np.array(["2026-04-01", "NaT"], "datetime64[s]"), "/timestamps/1"),
        (np.array(["2026-04-01", "2026-04-01"], "datetime64[s]"), "/timestamps/1"),
        (np.array(["2026-04-01"], "datetime64[s]"), "/timestamps"),
        (np.array(["2026-04-01", "12026-04-01"], "datetime64[s]"), "/timestamps/1"),
        ([NOON], "/timestamps"),
    ],
)
def test_what_is_no_time_is_refused(times: list[datetime] | np.ndarray, pointer: str):
    with pytest.raises(RowsRefused) as refusal:
        times_from_array(times, 2)
    assert refusal.value.faults[0].pointer == pointer
