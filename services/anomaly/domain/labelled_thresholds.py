"""Limits chosen on rows whose truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.curves import roc_curve
from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc
from services.anomaly.domain.thresholds import RuleRefused, Threshold
from shared.errors import JSON, Fault

# Enough for a plot, few enough for a card.
_ROC_POINTS = 100


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scored rows whose truth is known; both classes occur.

    Parameters
    ----------
    scores
        `(n,)`, every one a number.
    truth
        `(n,)` of 0 and 1.
    """

    scores: Floats
    truth: Labels

    def __post_init__(self) -> None:
        if len(np.unique(self.truth)) != 2:
            fault = Fault("/labels", "normal (0) and anomalous (1) rows are both needed among the scored rows")
            raise RuleRefused("a limit can only be chosen where both kinds of rows occur", faults=[fault])


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Every limit that makes a difference, highest first, and what each would do."""

    limits: Floats
    hits: Floats
    false_alarms: Floats
    anomalous: int
    normal: int

    @classmethod
    def of(cls, labelled: Labelled) -> "_Candidates":
        scores, position = np.unique(labelled.scores, return_inverse=True)
        anomalous = np.bincount(position, labelled.truth == 1, len(scores))[::-1]
        normal = np.bincount(position, labelled.truth == 0, len(scores))[::-1]
        descending = scores[::-1]
        # A limit halfway to the next lower score calls the same rows and survives rounding.
        lower = np.append(descending[1:], min(0.0, float(descending[-1])))
        return cls(
            np.asarray((descending + lower) / 2.0),
            np.cumsum(anomalous),
            np.cumsum(normal),
            int(anomalous.sum()),
            int(normal.sum()),
        )


@dataclass(frozen=True, slots=True)
class Roc:
    """The point of the ROC curve with the least cost, or with the best Youden index [1] where no cost is given.

    Parameters
    ----------
    cost_ratio
        Cost of a missed anomalous row over that of a false alarm.

    References
    ----------
    .. [1] Youden (1950), Index for rating diagnostic tests, Cancer 3(1)
    """

    method: ClassVar[str] = "roc"
    cost_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.cost_ratio is not None and not 0.0 < self.cost_ratio < 1e9:
            fault = Fault("/cost_ratio", "the cost of a miss over that of a false alarm is above 0")
            raise RuleRefused("the threshold method 'roc' cannot use this cost ratio", faults=[fault])

    def settle(self, labelled: Labelled) -> Threshold:
        """Choose the limit; of equal ones the highest."""
        found = _Candidates.of(labelled)
        if self.cost_ratio is None:
            # In whole numbers, so that equal points are equal.
            gain = found.hits * found.normal - found.false_alarms * found.anomalous
        else:
            gain = self.cost_ratio * found.hits - found.false_alarms
        return _threshold(found, int(np.argmax(gain)), {"method": self.method, "cost_ratio": self.cost_ratio}, labelled)


@dataclass(frozen=True, slots=True)
class BestF1:
    """The limit with the highest F1 on the labelled rows."""

    method: ClassVar[str] = "f1"

    def settle(self, labelled: Labelled) -> Threshold:
        """Choose the limit; of equal ones the highest."""
        found = _Candidates.of(labelled)
        f1 = 2.0 * found.hits / (found.hits + found.false_alarms + found.anomalous)
        return _threshold(found, int(np.argmax(f1)), {"method": self.method}, labelled)


@dataclass(frozen=True, slots=True)
class RecallFloor:
    """The highest limit that still finds an asked share of the anomalous rows."""

    method: ClassVar[str] = "recall"
    min_recall: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 < self.min_recall <= 1.0:
            fault = Fault("/min_recall", "the share of anomalous rows to find is above 0 and at most 1")
            raise RuleRefused("the threshold method 'recall' cannot use this share", faults=[fault])

    def settle(self, labelled: Labelled) -> Threshold:
        """Choose the limit."""
        found = _Candidates.of(labelled)
        index = int(np.argmax(found.hits >= self.min_recall * found.anomalous - 1e-9))
        return _threshold(found, index, {"method": self.method, "min_recall": self.min_recall}, labelled)


LabelledRule: TypeAlias = Roc | BestF1 | RecallFloor


def _threshold(found: _Candidates, index: int, rule: Mapping[str, JSON], labelled: Labelled) -> Threshold:
    limit = max(float(found.limits[index]), float(np.finfo(np.float32).eps))
    seen = Confusion.of(labelled.truth, (labelled.scores > limit).astype(np.int8))
    evidence: dict[str, JSON] = {
        "labelled_rows": len(labelled.scores),
        "anomalous_rows": found.anomalous,
        "precision": seen.precision,
        "recall": seen.recall,
        "f1": seen.f1,
        "false_alarm_rate": seen.false_alarm_rate,
        "auc_roc": auc_roc(labelled.truth, labelled.scores),
        "auc_pr": auc_pr(labelled.truth, labelled.scores),
        "confusion": seen.to_json(),
        "roc": roc_curve(labelled.truth, labelled.scores, most=_ROC_POINTS).to_json(),
        "measured_on": "the rows it was chosen on",
    }
    return Threshold(limit, rule, evidence)
