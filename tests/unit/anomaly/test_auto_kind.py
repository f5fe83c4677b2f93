import numpy as np
import pytest

from services.anomaly.domain.auto_kind import choose_kind
from services.anomaly.library import Detector


@pytest.mark.parametrize(
    ("rows", "sensors", "options", "kind"),
    [
        (400, 8, [], "mahalanobis"),
        (400, None, [], "mahalanobis"),
        (400, 1, [], "mahalanobis"),
        (104, 52, [], "mahalanobis"),
        (103, 52, [], "pca"),
        (103, 52, ["smoothing_rows"], "pca"),
        (103, 52, ["eigenvalue_floor"], "mahalanobis"),
    ],
)
def test_kind_follows_from_rows_and_sensors(rows: int, sensors: int | None, options: list[str], kind: str):
    assert choose_kind(rows, sensors, options).kind == kind


def test_reasons_differ_with_what_was_seen():
    reasons = {choose_kind(rows, sensors, []).reason for rows, sensors in ((400, 8), (400, 1), (40, 30))}
    assert len(reasons) == 3


@pytest.mark.parametrize(("sensors", "kind"), [(1, "mahalanobis"), (3, "mahalanobis"), (60, "pca")])
def test_auto_trains_what_it_chooses_and_finds_a_fault(sensors: int, kind: str):
    normal = np.random.default_rng(0).normal(size=(110, sensors))
    detector = Detector().fit(normal[:100])
    assert detector.card["kind"] == kind
    faulty = normal[100:] + np.where(np.arange(sensors) == 0, 15.0, 0.0)
    assert detector.detect(faulty, context=normal[:100]).labels[-1] == 1
