import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.anomaly.domain.windows import block_windows, causal_mean, windows


@pytest.mark.parametrize(("rows", "length", "count"), [(5, 1, 5), (5, 3, 3), (5, 5, 1), (4, 5, 0), (0, 1, 0)])
def test_there_is_one_window_for_each_row_that_has_enough_before_it(rows: int, length: int, count: int):
    assert windows(np.zeros((rows, 2)), length).shape == (count, length, 2)


def test_windows_share_the_memory_of_the_rows():
    rows = np.arange(20.0).reshape(10, 2)
    assert np.shares_memory(windows(rows, 4), rows)


def test_window_ends_with_its_newest_row():
    rows = np.arange(20.0).reshape(10, 2)
    assert windows(rows, 4)[2].tolist() == rows[2:6].tolist()


@given(st.integers(1, 1000), st.integers(1, 60))
def test_block_of_windows_is_neither_small_nor_larger_than_the_cache(length: int, columns: int):
    block = block_windows(length, columns)
    assert 64 <= block <= 1024
    assert block == 64 or block * length * columns <= 2**16


@given(arrays(np.float64, (12, 2), elements=st.floats(-1e6, 1e6)), st.integers(1, 12))
def test_causal_mean_is_the_plain_mean_of_the_rows_up_to_each(rows: np.ndarray, length: int):
    means = causal_mean(rows, length)
    for i, mean in enumerate(means):
        np.testing.assert_allclose(mean, rows[i : i + length].mean(axis=0), rtol=1e-12, atol=1e-6)


def test_one_absurd_row_does_not_touch_the_means_after_its_window():
    rows = np.ones((20, 1))
    rows[5] = 1e300
    assert causal_mean(rows, 3)[6:].tolist() == [[1.0]] * 12


@pytest.mark.parametrize("length", [2, 3, 9, 27, 64, 81])
def test_causal_mean_is_the_same_to_the_last_digit_wherever_its_batch_begins(length: int):
    rows = np.random.default_rng(length).normal(size=(200, 3)) * 1e3
    whole = causal_mean(rows, length)
    for first in (1, 7, 64, 200 - length):
        np.testing.assert_array_equal(causal_mean(rows[first:], length), whole[first:])


def test_one_absurd_reading_touches_no_mean_but_its_own():
    rows = np.random.default_rng(1).normal(size=(300, 2))
    absurd = rows.copy()
    absurd[100, 0] = 1e300
    with np.errstate(all="raise"):
        before, after = causal_mean(rows, 27), causal_mean(absurd, 27)
    changed = np.flatnonzero((before != after).any(axis=1))
    assert (changed[0], changed[-1]) == (74, 100)
