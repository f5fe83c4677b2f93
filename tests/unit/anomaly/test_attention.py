from pathlib import Path

import numpy as np
import pytest

from services.anomaly.domain.attention import AttentionMissing
from services.anomaly.library import Detector

WINDOW_ROWS = 4
NORMAL = np.random.default_rng(0).normal(size=(200, 3))
ROWS = NORMAL[:30]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(
        "transformer", window_rows=WINDOW_ROWS, smoothing_rows=3, head_width=4, heads=2, layers=1, epochs=1
    ).fit(NORMAL)


def test_attention_of_every_row_with_a_whole_window_adds_up_to_one(detector: Detector):
    attention = detector.attention(ROWS)
    assert attention.shape == ROWS.shape
    assert np.isnan(attention[: WINDOW_ROWS - 1]).all()
    assert (attention[WINDOW_ROWS - 1 :] > 0.0).all()
    np.testing.assert_allclose(attention[WINDOW_ROWS - 1 :].sum(axis=1), 1.0, rtol=1e-6)


def test_attention_needs_no_warm_up_with_context(detector: Detector):
    alone = detector.attention(NORMAL[10:30], context=NORMAL[:10])
    np.testing.assert_allclose(alone, detector.attention(ROWS)[10:], rtol=1e-6)


def test_attention_of_a_row_depends_on_no_later_row(detector: Detector):
    changed = ROWS.copy()
    changed[20:] += 3.0
    before, after = detector.attention(ROWS), detector.attention(changed)
    np.testing.assert_allclose(after[:20], before[:20], rtol=1e-6)
    assert not np.allclose(after[20:], before[20:])


def test_window_with_rows_that_cannot_be_used_has_no_attention(detector: Detector):
    holes = ROWS.copy()
    holes[:12] = np.nan
    known = np.isfinite(detector.attention(holes)).all(axis=1)
    assert known.tolist() == [False] * (12 + WINDOW_ROWS - 1) + [True] * (18 - WINDOW_ROWS + 1)


def test_saved_detector_has_the_attention_of_the_one_in_memory(detector: Detector, tmp_path: Path):
    detector.save(tmp_path / "bundle")
    loaded = Detector.load(tmp_path / "bundle")
    np.testing.assert_array_equal(loaded.attention(ROWS), detector.attention(ROWS))


@pytest.mark.parametrize("kind", ["mahalanobis", "autoencoder"])
def test_kind_without_attention_says_so(kind: str):
    options = {"epochs": 1} if kind == "autoencoder" else {}
    with pytest.raises(AttentionMissing) as refusal:
        Detector(kind, **options).fit(NORMAL).attention(ROWS)
    assert refusal.value.facts["detector_kind"] == kind
