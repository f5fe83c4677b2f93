"""How good labels and scores are, row by row.

No point adjustment: counting a whole fault as found because one of its rows was makes random scores look excellent
(Kim et al. 2022, Towards a rigorous evaluation of time-series anomaly detection, arXiv:2109.05257).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats, Labels
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by what they were and what they were called; add several to pool them. Expected counts may be fractions.

    Examples
    --------
    >>> Confusion.of(np.array([1, 1, 0, 0], np.int8), np.array([1, 0, 1, 0], np.int8)).f1
    0.5
    """

    true_positives: float
    false_positives: float
    false_negatives: float
    true_negatives: float

    @classmethod
    def of(cls, truth: Labels, labels: Labels) -> Self:
        """Compare `(n,)` labels with `(n,)` truth, both of 0 and 1."""
        actual, called = truth == 1, labels == 1
        return cls(
            int((actual & called).sum()),
            int((~actual & called).sum()),
            int((actual & ~called).sum()),
            int((~actual & ~called).sum()),
        )

    def __add__(self, other: Self) -> "Confusion":
        return Confusion(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.true_negatives + other.true_negatives,
        )

    def to_json(self) -> dict[str, JSON]:
        """The counts by name."""
        return {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "true_negatives": self.true_negatives,
        }

    @property
    def precision(self) -> float:
        """Share of the alarms that were right; 0 without alarms."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the anomalous rows that were called; 0 without any."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def false_alarm_rate(self) -> float:
        """Share of the normal rows that were called anomalous (FAR); 0 without any."""
        return _share(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def missed_alarm_rate(self) -> float:
        """Share of the anomalous rows that were not called (MAR); 0 without any."""
        return _share(self.false_negatives, self.false_negatives + self.true_positives)


def auc_roc(truth: Labels, scores: Floats) -> float:
    """Probability that an anomalous row scores above a normal one, ties counted half; NaN with one class only.

    Examples
    --------
    >>> auc_roc(np.array([0, 0, 1, 1], np.int8), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    anomalous = int((truth == 1).sum())
    normal = len(truth) - anomalous
    if not anomalous or not normal:
        return float("nan")
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2.0
    ranks = middle_rank[position]
    return float((ranks[truth == 1].sum() - anomalous * (anomalous + 1) / 2.0) / (anomalous * normal))


def auc_pr(truth: Labels, scores: Floats) -> float:
    """Average precision: the step-wise area under precision over recall; NaN without anomalous rows.

    Examples
    --------
    >>> round(auc_pr(np.array([0, 0, 1, 1], np.int8), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    anomalous = int((truth == 1).sum())
    if not anomalous:
        return float("nan")
    hits, called = calls_by_limit(truth, scores)
    return float(np.sum(np.diff(np.concatenate(([0], hits))) / anomalous * (hits / called)))


def calls_by_limit(truth: Labels, scores: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Anomalous rows among those that are called, and rows that are called, at each limit that makes a difference.

    From the strictest limit to the laxest. Rows with equal scores are called together.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0.0, True)
    return np.cumsum(truth[order] == 1)[last], (np.arange(len(truth)) + 1)[last]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
