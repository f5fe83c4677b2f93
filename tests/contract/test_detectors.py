"""What every kind of detector promises; a new family is added to `QUICK` and must pass."""

from pathlib import Path

import numpy as np
import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.usability import Reason
from services.anomaly.library import Detector
from shared.errors import JSON
from shared.onnx.signing import SigningKey, TrustStore

# Options that make each family train in about a second; what is promised does not depend on them.
QUICK: dict[str, dict[str, JSON]] = {
    "mahalanobis": {"smoothing_rows": 5},
    "pca": {"smoothing_rows": 5},
    "autoencoder": {"smoothing_rows": 5, "epochs": 10},
    "sparse_autoencoder": {"smoothing_rows": 5, "epochs": 10},
    "denoising_autoencoder": {"smoothing_rows": 5, "epochs": 10},
    "vae": {"smoothing_rows": 5, "epochs": 10},
    "lstm_autoencoder": {"smoothing_rows": 5, "window_rows": 8, "hidden_units": 12, "latent": 6, "epochs": 3},
    "conv_autoencoder": {"smoothing_rows": 5, "window_rows": 8, "filters": 8, "epochs": 5},
    "transformer": {"smoothing_rows": 5, "window_rows": 8, "head_width": 8, "heads": 2, "layers": 1, "epochs": 5},
    "usad": {"smoothing_rows": 5, "window_rows": 8, "epochs": 5},
    "lstm_vae": {"smoothing_rows": 5, "window_rows": 8, "hidden_units": 12, "layers": 1, "epochs": 5},
    "omni_anomaly": {"smoothing_rows": 5, "window_rows": 8, "hidden_units": 12, "epochs": 5},
    "cnn_forecaster": {"smoothing_rows": 5, "window_rows": 8, "filters": 8, "epochs": 5},
    "lstm_forecaster": {"smoothing_rows": 5, "window_rows": 8, "hidden_units": 12, "layers": 1, "epochs": 5},
    "fanogan": {"smoothing_rows": 5, "window_rows": 3, "hidden_units": 16, "latent": 4, "epochs": 5},
    "egbad": {"smoothing_rows": 5, "window_rows": 3, "hidden_units": 16, "latent": 4, "epochs": 5},
    "isolation_forest": {"smoothing_rows": 5},
    "anogan": {"smoothing_rows": 5, "window_rows": 3, "hidden_units": 8, "latent": 4, "epochs": 5, "search_steps": 30},
}
COLUMNS = ["flow", "pressure", "temperature", "current"]


def plant(rows: int, seed: int, start_row: int = 0) -> np.ndarray:
    """A plant that swings slowly, with noise, on four scales."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(start_row, start_row + rows)[:, None] / 7.0 + [0.0, 0.5, 1.0, 1.5])
    return np.array([30.0, 1e5, 350.0, 2.0]) + (load + 0.2 * rng.normal(size=(rows, 4))) * [2.0, 300.0, 1.5, 0.1]


NORMAL = plant(600, seed=1)
SECOND = np.timedelta64(1, "s")
NORMAL_TIMES = np.datetime64("2026-04-01T00:00:00") + np.arange(600) * SECOND
# It goes on where the normal rows end: to a model of windows, a jump in between would be a fault.
LATER = plant(200, seed=2, start_row=len(NORMAL))


@pytest.fixture(scope="module", params=sorted(DetectorKind))
def detector(request: pytest.FixtureRequest) -> Detector:
    return Detector(request.param, **QUICK[request.param]).fit(NORMAL, NORMAL_TIMES, COLUMNS)


def test_every_row_after_the_warm_up_has_a_finite_score(detector: Detector):
    scores = detector.detect(LATER).scores
    assert np.isnan(scores[: detector.warmup_rows]).all()
    assert np.isfinite(scores[detector.warmup_rows :]).all()


def test_with_context_the_first_row_has_a_score(detector: Detector):
    assert np.isfinite(detector.detect(LATER, context=NORMAL).scores).all()


def test_normal_rows_are_mostly_left_alone(detector: Detector):
    assert detector.detect(LATER, context=NORMAL).labels.mean() < 0.02


@pytest.mark.parametrize("sensor", range(len(COLUMNS)))
def test_obvious_fault_is_found_and_its_sensor_named(detector: Detector, sensor: int):
    faulty = LATER.copy()
    faulty[100:, sensor] += 12.0 * NORMAL[:, sensor].std()
    detection = detector.detect(faulty, context=NORMAL)
    assert not detection.labels[:100].any()
    assert detection.labels[105:].all()
    assert int(np.argmax(detection.contributions[120])) == sensor
    assert (detection.severity[105:] > 0.5).all()


def test_contributions_are_not_negative_and_sum_to_the_score(detector: Detector):
    detection = detector.detect(LATER, context=NORMAL)
    assert (detection.contributions >= 0.0).all()
    np.testing.assert_array_equal(detection.contributions.sum(axis=1), detection.scores)


def test_no_later_row_changes_an_earlier_score(detector: Detector):
    before = detector.detect(LATER).scores
    changed = LATER.copy()
    changed[150:] += 1000.0
    after = detector.detect(changed).scores
    np.testing.assert_allclose(after[:150], before[:150], rtol=1e-4)
    assert not np.allclose(after[150:], before[150:])


def test_rows_scored_one_by_one_get_the_scores_of_the_batch(detector: Detector):
    batch = detector.detect(LATER, context=NORMAL).scores[:20]
    stream = [
        detector.detect(LATER[i : i + 1], context=np.vstack([NORMAL, LATER[:i]])).scores[0] for i in range(len(batch))
    ]
    np.testing.assert_allclose(stream, batch, rtol=1e-4)


def test_scoring_changes_nothing(detector: Detector):
    threshold, first = detector.threshold, detector.detect(LATER).scores
    detector.detect(LATER * 3.0)
    assert detector.threshold == threshold
    np.testing.assert_array_equal(detector.detect(LATER).scores, first)


@pytest.mark.parametrize("absurd", [1e12, -1e25])
def test_absurd_reading_is_anomalous_and_its_score_still_a_number(detector: Detector, absurd: float):
    rows = LATER.copy()
    rows[50, 1] = absurd
    detection = detector.detect(rows, context=NORMAL)
    assert detection.labels[50] == 1
    assert np.isfinite(detection.scores).all()


def test_infinite_reading_is_refused(detector: Detector):
    rows = LATER.copy()
    rows[3, 2] = np.inf
    with pytest.raises(RowsRefused) as refusal:
        detector.detect(rows)
    assert [fault.pointer for fault in refusal.value.faults] == ["/rows/3/2"]
    with pytest.raises(RowsRefused):
        detector.detect(LATER, context=rows)


def test_reading_that_is_missing_for_a_moment_raises_no_alarm(detector: Detector):
    rows = LATER[:40].copy()
    rows[30:32, 2] = np.nan
    detection = detector.detect(rows, context=NORMAL)
    assert detection.usable.all()
    assert not detection.labels[30:32].any()


def test_readings_that_are_missing_for_long_are_marked_and_scored_no_more(detector: Detector):
    rows = LATER[:80].copy()
    rows[20:40] = np.nan
    detection = detector.detect(rows, context=NORMAL)
    lost = np.arange(20, 40 + detector.warmup_rows)
    assert np.flatnonzero(~detection.usable).tolist() == lost.tolist()
    assert np.isnan(detection.scores[lost]).all()
    assert np.isnan(detection.contributions[lost]).all()
    assert not detection.labels[lost].any()
    before = detector.detect(LATER[:20], context=NORMAL)
    np.testing.assert_allclose(detection.scores[:20], before.scores, rtol=1e-4)
    after = detector.detect(rows[40:])
    np.testing.assert_allclose(detection.scores[40:], after.scores, rtol=1e-4)


def test_gaps_look_the_same_in_several_calls_as_in_one(detector: Detector):
    rows = np.concatenate((NORMAL, LATER[:40]))
    first = len(NORMAL)
    rows[first + 5 : first + 7, 0] = np.nan
    rows[first + 12 : first + 19, 1] = np.nan
    times = np.concatenate((NORMAL_TIMES, NORMAL_TIMES[-1] + np.arange(1, 41) * SECOND))
    times[first + 30 :] += 100 * SECOND
    once = detector.detect(rows[first:], rows[:first], times[first:], times[:first])
    assert once.reasons[17] == Reason.MISSING
    assert detector.warmup_rows == 0 or once.reasons[30] == Reason.AFTER_GAP
    parts = []
    for start in range(first, len(rows), 13):
        piece, back = slice(start, start + 13), slice(start - detector.lookback_rows, start)
        parts.append(detector.detect(rows[piece], rows[back], times[piece], times[back]))
    np.testing.assert_array_equal(np.concatenate([part.reasons for part in parts]), once.reasons)
    np.testing.assert_allclose(np.concatenate([part.scores for part in parts]), once.scores, rtol=1e-4)


def test_another_number_of_columns_is_refused(detector: Detector):
    with pytest.raises(RowsRefused):
        detector.detect(LATER[:, :3])


def test_saved_detector_scores_as_the_one_in_memory(detector: Detector, tmp_path: Path):
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(key.public_pem())
    detector.save(tmp_path / "bundle", name="pump", version="7", key=key)
    loaded = Detector.load(tmp_path / "bundle", trust)
    own, other = detector.detect(LATER), loaded.detect(LATER)
    np.testing.assert_array_equal(own.scores, other.scores)
    np.testing.assert_array_equal(own.contributions, other.contributions)
    assert loaded.threshold == detector.threshold
    assert loaded.columns == detector.columns
    assert loaded.card["kind"] == detector.card["kind"]


def test_same_seed_and_rows_make_the_same_detector(detector: Detector):
    kind = str(detector.card["kind"])
    again = Detector(kind, **QUICK[kind]).fit(NORMAL, columns=COLUMNS)
    np.testing.assert_array_equal(again.detect(LATER).scores, detector.detect(LATER).scores)


def test_card_says_how_the_rows_were_divided_and_the_limit_set(detector: Detector):
    card = detector.card
    assert card["blocks"]["rows"] == len(NORMAL)
    assert card["blocks"]["limit_scored"][0] - detector.warmup_rows == card["blocks"]["limit"][0]
    assert card["threshold"]["value"] == detector.threshold.value
    # The score of a forest is no distance: what suits the others says nothing of it.
    factor = 2.0 if card["kind"] == "isolation_forest" else None
    assert card["threshold"]["rule"] == {"method": "margin", "factor": factor}


@pytest.mark.parametrize("kind", sorted(DetectorKind))
def test_too_few_rows_are_refused_with_the_number_that_works(kind: str):
    with pytest.raises(TooFewRows) as refusal:
        Detector(kind, **QUICK[kind]).fit(NORMAL[:10])
    needed = refusal.value.facts["needed"]
    Detector(kind, **QUICK[kind]).fit(NORMAL[:needed])
