import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.episodes import episodes
from services.anomaly.domain.severity import SeverityScale


@pytest.mark.parametrize(
    ("labels", "runs"),
    [
        ([], []),
        ([0, 0], []),
        ([1], [(0, 0)]),
        ([1, 1, 1], [(0, 2)]),
        ([0, 1, 1, 0, 1], [(1, 2), (4, 4)]),
        ([1, 0, 1], [(0, 0), (2, 2)]),
    ],
)
def test_every_run_of_anomalous_rows_is_one_episode(labels: list[int], runs: list[tuple[int, int]]):
    found = episodes(np.array(labels, np.int8), np.ones(len(labels)))
    assert [(episode.start, episode.end) for episode in found] == runs


@given(st.lists(st.integers(0, 1), max_size=40))
def test_episodes_cover_exactly_the_anomalous_rows(labels: list[int]):
    found = episodes(np.array(labels, np.int8), np.arange(float(len(labels))))
    covered = [row for episode in found for row in range(episode.start, episode.end + 1)]
    assert covered == [i for i, label in enumerate(labels) if label]
    assert sum(episode.rows for episode in found) == sum(labels)


def test_peak_is_the_highest_row_of_its_own_episode():
    found = episodes(np.array([1, 1, 0, 1], np.int8), np.array([2.0, 7.0, 99.0, 3.0]))
    assert [(episode.peak, episode.peak_score) for episode in found] == [(1, 7.0), (3, 3.0)]


@pytest.mark.parametrize(("score", "value"), [(0.0, 0.0), (1.0, 0.25), (2.0, 0.5), (4.0, 0.75), (20.0, 0.95)])
def test_severity_is_a_half_at_the_limit(score: float, value: float):
    assert SeverityScale().of(np.array([score]), limit=2.0)[0] == pytest.approx(value)


@given(st.floats(0, 1e200), st.floats(0, 1e200), st.floats(1e-6, 1e6))
def test_severity_never_falls_while_the_score_rises(one: float, other: float, limit: float):
    low, high = SeverityScale().of(np.array(sorted([one, other])), limit)
    assert 0.0 <= low <= high <= 1.0


def test_row_without_a_score_has_no_severity():
    assert np.isnan(SeverityScale().of(np.array([np.nan]), 1.0)[0])
