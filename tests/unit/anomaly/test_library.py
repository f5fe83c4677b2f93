import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pytest

from services.anomaly.adapters.detector_bundle import read_detector
from services.anomaly.domain.options.kinds import KindUnknown
from services.anomaly.domain.options.reading import OptionsRefused
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.thresholds import Margin, RuleRefused
from services.anomaly.library import Detector, NotFitted
from shared.onnx.bundle import open_bundle
from shared.onnx.errors import BundleAltered, BundleUntrustedKey
from shared.onnx.signing import SigningKey, TrustStore

NORMAL = np.random.default_rng(0).normal(size=(400, 3))


class Frame:
    """As much of a data frame as the library looks at."""

    def __init__(self, rows: np.ndarray, columns: list[str]) -> None:
        self.rows, self.columns = rows, columns

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.rows, dtype=dtype)


def test_auto_says_what_it_chose_and_why():
    card = Detector().fit(NORMAL).card
    assert card["kind"] == "mahalanobis"
    assert "no network here does clearly better" in card["reason"]


def test_kind_that_was_asked_for_needs_no_reason():
    assert Detector("pca").fit(NORMAL).card["reason"] is None


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Detector("oracle"), KindUnknown),
        (lambda: Detector(smoothing=3), OptionsRefused),
        (lambda: Detector(threshold={"method": "f1"}), RuleRefused),
    ],
)
def test_impossible_detector_is_refused_before_it_sees_a_row(make: Callable[[], Detector], error: type[Exception]):
    with pytest.raises(error):
        make()


def test_lists_of_uneven_lengths_are_refused_as_rows():
    with pytest.raises(RowsRefused):
        Detector("mahalanobis").fit([[1.0], [1.0, 2.0]])


def test_detector_that_saw_nothing_cannot_score_or_be_saved(tmp_path: Path):
    with pytest.raises(NotFitted):
        Detector().detect(NORMAL)
    with pytest.raises(NotFitted):
        Detector().save(tmp_path / "bundle")


def test_threshold_rule_of_the_caller_is_used():
    detector = Detector(threshold={"method": "percentile", "q": 90}, smoothing_rows=2).fit(NORMAL)
    assert detector.threshold.rule == {"method": "percentile", "q": 90.0}
    assert detector.card["threshold"]["rule"] == {"method": "percentile", "q": 90.0}


def test_columns_are_named_by_the_data_frame_and_put_in_order_when_scoring():
    detector = Detector().fit(Frame(NORMAL, ["a", "b", "c"]))
    assert detector.columns == ("a", "b", "c")
    shuffled = detector.detect(Frame(NORMAL[:, [2, 0, 1]], ["c", "a", "b"]))
    np.testing.assert_array_equal(shuffled.scores, detector.detect(NORMAL).scores)
    with pytest.raises(RowsRefused):
        detector.detect(Frame(NORMAL, ["a", "b", "x"]))


def test_names_must_fit_the_columns():
    with pytest.raises(RowsRefused):
        Detector().fit(NORMAL, columns=["a", "b"])


@pytest.mark.parametrize("zone", [UTC, None])
def test_card_states_the_period_of_the_training_rows(zone: tzinfo | None):
    start = datetime(2026, 4, 1, tzinfo=zone)
    times = [start + timedelta(minutes=i) for i in range(len(NORMAL))]
    card = Detector().fit(NORMAL, timestamps=times).card
    assert card["period"] == ["2026-04-01T00:00:00Z", "2026-04-01T06:39:00Z"]


def test_numpy_times_are_read_as_utc():
    times = np.datetime64("2026-04-01T00:00:00") + np.arange(len(NORMAL)) * np.timedelta64(1, "s")
    assert Detector().fit(NORMAL, timestamps=times).card["period"][0] == "2026-04-01T00:00:00Z"


def test_times_that_go_back_are_refused():
    times = [datetime(2026, 4, 1, tzinfo=UTC)] * len(NORMAL)
    with pytest.raises(RowsRefused):
        Detector().fit(NORMAL, timestamps=times)


def test_bundle_of_somebody_else_is_not_loaded(tmp_path: Path):
    theirs = SigningKey.load_or_create(tmp_path / "theirs.pem")
    Detector().fit(NORMAL).save(tmp_path / "bundle", key=theirs)
    with pytest.raises(BundleUntrustedKey):
        Detector.load(tmp_path / "bundle")
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(theirs.public_pem())
    assert Detector.load(tmp_path / "bundle", trust).columns == ("s1", "s2", "s3")


def test_bundle_with_a_changed_limit_is_not_loaded(tmp_path: Path):
    Detector().fit(NORMAL).save(tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"factor":null', '"factor":9.0'))
    with pytest.raises(BundleAltered):
        Detector.load(tmp_path / "bundle")


def test_loading_and_scoring_import_no_torch(tmp_path: Path):
    Detector("autoencoder", epochs=1).fit(NORMAL).save(tmp_path / "bundle")
    script = (
        "import sys; sys.modules['torch'] = None; import numpy as np\n"
        "from services.anomaly.library import Detector\n"
        f"found = Detector.load({str(tmp_path / 'bundle')!r}).detect(np.zeros((40, 3)))\n"
        "assert np.isfinite(found.scores[-1])"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])


def test_limit_set_later_knows_how_far_the_sensors_wander(tmp_path: Path):
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(key.public_pem())
    walks = np.cumsum(NORMAL, axis=0)
    detector = Detector().fit(walks)
    detector.save(tmp_path / "bundle", key=key)
    later = Margin().settle(read_detector(open_bundle(tmp_path / "bundle", trust)).held_out)
    assert later.value == detector.threshold.value
    assert later.evidence["factor"] == detector.threshold.evidence["factor"]
    assert float(str(later.evidence["factor"])) > 3.0


def test_steady_noise_is_left_alone_after_a_short_training():
    called = []
    for seed in range(8):
        rows = np.random.default_rng(seed).normal(size=(1400, 4))
        called.append(Detector().fit(rows[:400]).detect(rows[400:], context=rows[:400]).labels.mean())
    assert np.mean(called) < 0.02
