import numpy as np
import pytest

from services.anomaly.domain.labelled_thresholds import BestF1, Labelled, LabelledRule, RecallFloor, Roc
from services.anomaly.domain.threshold_rules import Rule, read_rule, read_unlabelled_rule
from services.anomaly.domain.thresholds import Percentile, RuleRefused, Value
from shared.errors import JSON

SCORES = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
TRUTH = np.array([0, 0, 1, 0, 1, 1], np.int8)


def called(rule: LabelledRule) -> list[int]:
    limit = rule.settle(Labelled(SCORES, TRUTH)).value
    return (limit < SCORES).astype(int).tolist()


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        (Roc(), [0, 0, 0, 0, 1, 1]),
        (Roc(cost_ratio=5.0), [0, 0, 1, 1, 1, 1]),
        (Roc(cost_ratio=0.5), [0, 0, 0, 0, 1, 1]),
        (BestF1(), [0, 0, 1, 1, 1, 1]),
        (RecallFloor(min_recall=0.3), [0, 0, 0, 0, 0, 1]),
        (RecallFloor(min_recall=0.6), [0, 0, 0, 0, 1, 1]),
        (RecallFloor(min_recall=1.0), [0, 0, 1, 1, 1, 1]),
    ],
)
def test_rule_calls_the_rows_it_should(rule: LabelledRule, labels: list[int]):
    assert called(rule) == labels


def test_evidence_is_measured_with_the_limit_that_is_returned():
    evidence = BestF1().settle(Labelled(SCORES, TRUTH)).evidence
    assert (evidence["precision"], evidence["recall"]) == (0.75, 1.0)
    assert evidence["f1"] == pytest.approx(6 / 7)


def test_tied_scores_are_called_together():
    labelled = Labelled(np.array([1.0, 2.0, 2.0, 2.0]), np.array([0, 0, 1, 1], np.int8))
    limit = BestF1().settle(labelled).value
    assert 1.0 < limit < 2.0


@pytest.mark.parametrize("truth", [np.zeros(6, np.int8), np.ones(6, np.int8)])
def test_rows_of_one_kind_only_are_refused(truth: np.ndarray):
    with pytest.raises(RuleRefused):
        Labelled(SCORES, truth)


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"method": "percentile", "q": 99}, Percentile(q=99.0)),
        ({"method": "percentile"}, Percentile(q=95.0)),
        ({"method": "value", "value": 3}, Value(3.0)),
        ({"method": "roc", "cost_ratio": None}, Roc()),
        ({"method": "f1"}, BestF1()),
    ],
)
def test_rule_is_read_from_plain_values(document: dict[str, JSON], rule: Rule):
    assert read_rule(document) == rule


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({}, ["/method"]),
        ({"method": "magic"}, ["/method"]),
        ({"method": "sigma", "q": 3}, ["/q"]),
        ({"method": "sigma", "k": "3"}, ["/k"]),
        ({"method": "sigma", "k": True}, ["/k"]),
        ({"method": "value"}, ["/value"]),
        ({"method": "percentile", "q": float("nan")}, ["/q"]),
        ({"method": "percentile", "q": 200}, ["/q"]),
        ({"method": "percentile", "q": 10**400}, ["/q"]),
        ({"method": "fpr", "max_fpr": 5e-324}, ["/max_fpr"]),
        ({"method": "recall", "min_recall": 0}, ["/min_recall"]),
    ],
)
def test_rule_that_cannot_be_read_names_the_field(document: dict[str, JSON], pointers: list[str]):
    with pytest.raises(RuleRefused) as refusal:
        read_rule(document)
    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_training_refuses_a_method_that_needs_labels():
    with pytest.raises(RuleRefused, match="needs labels"):
        read_unlabelled_rule({"method": "roc"})


def test_training_is_told_of_a_fault_where_its_wish_has_the_rule():
    with pytest.raises(RuleRefused) as refusal:
        read_unlabelled_rule({"method": "percentile", "q": 200})
    assert [fault.pointer for fault in refusal.value.faults] == ["/threshold/q"]
