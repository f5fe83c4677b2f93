import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.detection import Scorer
from services.anomaly.domain.scores import Head, Scale


class LastMinusFirst:
    """A model that looks at both ends of a window of four rows."""

    window_rows = 4

    def residuals(self, batch: np.ndarray) -> np.ndarray:
        return batch[:, -1] - batch[:, 0]


SCORER = Scorer(LastMinusFirst(), Head((Scale(3, np.zeros(2), np.eye(2)),)))


def rows_of(seed: int, n: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


@pytest.mark.parametrize(("rows", "scored"), [(0, 0), (5, 0), (6, 1), (30, 25)])
def test_rows_are_scored_once_window_and_smoothing_are_full(rows: int, scored: int):
    detection = SCORER.detect(rows_of(0, rows), 1.0)
    assert int(np.isfinite(detection.scores).sum()) == scored
    assert np.isnan(detection.scores[: rows - scored]).all()
    assert not detection.labels[: rows - scored].any()


@given(st.integers(0, 1000), st.integers(0, 29))
def test_changing_a_row_never_changes_an_earlier_score(seed: int, changed: int):
    rows = rows_of(seed)
    before = SCORER.detect(rows, 1.0)
    rows[changed] += 100.0
    after = SCORER.detect(rows, 1.0)
    np.testing.assert_array_equal(before.scores[:changed], after.scores[:changed])
    np.testing.assert_array_equal(before.contributions[:changed], after.contributions[:changed])


@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_stream_scored_piece_by_piece_equals_the_batch(seed: int, piece: int):
    rows = rows_of(seed)
    batch = SCORER.detect(rows, 1.0)
    pieces = [SCORER.detect(rows[i : i + piece], 1.0, context=rows[:i]) for i in range(0, len(rows), piece)]
    np.testing.assert_allclose(np.concatenate([p.scores for p in pieces]), batch.scores, rtol=1e-12)
    np.testing.assert_array_equal(np.concatenate([p.labels for p in pieces]), batch.labels)


def test_context_scores_the_first_row_and_is_not_scored_itself():
    rows = rows_of(1)
    detection = SCORER.detect(rows[10:], 1.0, context=rows[:10])
    assert len(detection.scores) == 20
    assert np.isfinite(detection.scores).all()


def test_row_at_the_limit_is_not_anomalous():
    scores = SCORER.detect(rows_of(2), 1.0).scores
    labels = SCORER.detect(rows_of(2), float(scores[10])).labels
    assert labels[10] == 0
    assert labels.sum() == (scores > scores[10]).sum()


def test_contributions_of_a_scored_row_add_up_to_its_score():
    detection = SCORER.detect(rows_of(3), 1.0)
    np.testing.assert_array_equal(detection.contributions.sum(axis=1), detection.scores)
