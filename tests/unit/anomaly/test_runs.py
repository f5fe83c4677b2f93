import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.runs import Runs
from services.anomaly.domain.windows import causal_mean, windows


def runs_of(lengths: list[int]) -> Runs:
    rows = np.random.default_rng(0).normal(size=(sum(lengths), 2))
    return Runs(rows, np.cumsum(lengths)[:-1])


def apart(runs: Runs) -> list[np.ndarray]:
    return np.split(runs.rows, runs.starts)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 6))
def test_means_over_runs_are_those_of_each_run_by_itself(lengths: list[int], length: int):
    runs = runs_of(lengths)
    expected = np.concatenate([causal_mean(run, length) for run in apart(runs)])
    np.testing.assert_array_equal(runs.causal_mean(length), expected)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_what_was_made_of_windows_still_knows_the_breaks(lengths: list[int], first: int, second: int):
    runs = runs_of(lengths)
    twice = runs.reduced(causal_mean(runs.rows, first), first).causal_mean(second)
    expected = np.concatenate([causal_mean(causal_mean(run, first), second) for run in apart(runs)])
    np.testing.assert_allclose(twice, expected)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.data())
def test_a_part_has_the_breaks_inside_it(lengths: list[int], data: st.DataObject):
    runs = runs_of(lengths)
    first = data.draw(st.integers(0, len(runs) - 1))
    end = data.draw(st.integers(first + 1, len(runs)))
    part = runs.part(first, end)
    np.testing.assert_array_equal(part.rows, runs.rows[first:end])
    assert (part.starts + first).tolist() == [start for start in runs.starts.tolist() if first < start < end]


def test_windows_are_copied_when_they_are_looked_at_and_not_before():
    runs = runs_of([4, 3])
    values = runs.rows.astype(np.float32)
    picked = runs.windows(values, 2)
    assert np.shares_memory(picked.every, values)
    assert len(picked) == 5
    np.testing.assert_array_equal(np.asarray(picked[np.array([3])]), values[None, 4:6])
    np.testing.assert_array_equal(np.array(picked[1:3]), windows(values, 2)[1:3])


@pytest.mark.parametrize("length", [1, 3, 8])
def test_without_breaks_every_window_is_whole(length: int):
    runs = Runs.unbroken(np.zeros((7, 1)))
    assert runs.whole_windows(length).tolist() == list(range(max(7 - length + 1, 0)))
