import numpy as np
import pytest
from sklearn import metrics

from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc


def test_figures_of_a_known_table():
    confusion = Confusion(true_positives=6, false_positives=2, false_negatives=4, true_negatives=8)
    assert confusion.precision == 0.75
    assert confusion.recall == 0.6
    assert confusion.f1 == pytest.approx(2 / 3)
    assert confusion.false_alarm_rate == 0.2
    assert confusion.missed_alarm_rate == 0.4


def test_tables_of_several_files_are_pooled_by_adding():
    assert Confusion(1, 2, 3, 4) + Confusion(10, 20, 30, 40) == Confusion(11, 22, 33, 44)


def test_empty_table_has_figures_of_zero():
    confusion = Confusion.of(np.zeros(0, np.int8), np.zeros(0, np.int8))
    assert (confusion.precision, confusion.recall, confusion.f1, confusion.false_alarm_rate) == (0.0, 0.0, 0.0, 0.0)


def test_one_row_found_does_not_count_for_the_whole_fault():
    truth = np.array([0, 1, 1, 1, 1], np.int8)
    labels = np.array([0, 1, 0, 0, 0], np.int8)
    assert Confusion.of(truth, labels).recall == 0.25


@pytest.mark.parametrize(
    ("scores", "roc", "precision"),
    [([1, 2, 3, 4], 1.0, 1.0), ([4, 3, 2, 1], 0.0, 5 / 12), ([1, 1, 1, 1], 0.5, 0.5), ([1, 3, 2, 3], 0.625, 0.5833333)],
)
def test_areas_of_small_rankings(scores: list[float], roc: float, precision: float):
    truth = np.array([0, 0, 1, 1], np.int8)
    assert auc_roc(truth, np.array(scores, float)) == pytest.approx(roc)
    assert auc_pr(truth, np.array(scores, float)) == pytest.approx(precision)


def test_areas_agree_with_an_independent_implementation():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300).astype(np.int8)
    scores = np.round(rng.normal(size=300) + truth, 1)
    assert auc_roc(truth, scores) == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert auc_pr(truth, scores) == pytest.approx(metrics.average_precision_score(truth, scores))


def test_areas_of_one_class_are_not_a_number():
    assert np.isnan(auc_roc(np.zeros(3, np.int8), np.arange(3.0)))
    assert np.isnan(auc_pr(np.zeros(3, np.int8), np.arange(3.0)))
