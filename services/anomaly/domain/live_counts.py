"""What a detector met since it serves, and whether that is what its card promised."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.anomaly.domain.catalogue import DetectorEntry
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.thresholds import Threshold
from shared.contracts.alert import Alert, Severity
from shared.errors import JSON

# A promise that holds is called broken with a probability of 1 % at most, however often one looks.
_LEVEL = 0.01
# The rate is compared with this many times the promised one; evidence for any of them counts.
_FACTORS = (1.5, 2.0, 4.0, 8.0, 16.0)

# With fewer rows than this many times what a score looks back on, nothing is said yet.
_LEAST_STRETCHES = 10.0
_PER_ROWS = 1000.0

MORE_ALARMS = "more alarms than the card promised: a fault, or the limit is too low"


class Verdict(StrEnum):
    """How live alarms compare with the promise."""

    UNKNOWN = "unknown"
    AS_PROMISED = "as_promised"
    MORE_ALARMS = "more_alarms"


@dataclass(frozen=True, slots=True)
class LiveCount:
    """Rows one asset brought under one limit.

    Parameters
    ----------
    rows
        Rows with a score.
    alarm_rows, alarms
        Anomalous ones, and clusters of them.
    first_seen, last_seen
        When the first and the last of them were scored.
    """

    asset: str | None
    rows: int
    alarm_rows: int
    alarms: int
    first_seen: datetime
    last_seen: datetime

    def plus(self, other: "LiveCount") -> "LiveCount":
        """Both together."""
        return LiveCount(
            self.asset,
            self.rows + other.rows,
            self.alarm_rows + other.alarm_rows,
            self.alarms + other.alarms,
            min(self.first_seen, other.first_seen),
            max(self.last_seen, other.last_seen),
        )

    def without(self, newer: "LiveCount") -> "LiveCount":
        """What it was before these rows were added."""
        return replace(
            self,
            rows=self.rows - newer.rows,
            alarm_rows=self.alarm_rows - newer.alarm_rows,
            alarms=self.alarms - newer.alarms,
        )


class LiveCounts(Protocol):
    """Where the counts are kept. A call may wait for a disk or a network: make it in a thread."""

    def of(self, entry: DetectorEntry) -> tuple[LiveCount, ...]:
        """The counts of the version that serves, under the limit in force; of each asset."""
        ...


@dataclass(frozen=True, slots=True)
class Promise:
    """What a limit's evidence promises at most [1/row].

    Parameters
    ----------
    expected_alarms
        Alarms expected in a row.
    most_alarms, most_alarm_rows
        Upper ends of the intervals of alarms and of anomalous rows.
    spacing_rows
        Rows after which two scores share no reading.
    """

    expected_alarms: float
    most_alarms: float
    most_alarm_rows: float
    spacing_rows: float

    @classmethod
    def of(cls, threshold: Threshold) -> "Promise | None":
        """Read the evidence; `None` for a limit that was set before such statements were made."""
        said = threshold.evidence.get("false_alarms_per_1000_rows")
        rows = said.get("anomalous_rows") if isinstance(said, Mapping) else None
        if not isinstance(said, Mapping) or not isinstance(rows, Mapping):
            return None
        spacing_rows = max(_number(said, "basis_rows") / _number(said, "independent"), 1.0)
        return cls(
            expected_alarms=_number(said, "expected") / _PER_ROWS,
            most_alarms=_number(said, "upper") / _PER_ROWS,
            most_alarm_rows=_number(rows, "upper") / _PER_ROWS,
            spacing_rows=spacing_rows,
        )

    def verdict(self, count: LiveCount) -> Verdict:
        """Compare by a test that may be repeated after every row [1].

        Alarms are a Poisson count under the promise. Anomalous rows are compared too, because a limit that is always
        passed is a single alarm; neighbouring ones share readings, so their evidence counts once in `spacing_rows`.
        Each comparison is a mixture of likelihood ratios: under the promise it passes 1/level with the level's
        probability at most, over all time (Ville's inequality).

        References
        ----------
        .. [1] Ramdas et al. (2023), Game-theoretic statistics and safe anytime-valid inference, Statist. Sci. 38(4)
        """
        by_alarms = _log_evidence(count.alarms, self.most_alarms * count.rows)
        independent = 1.0 / self.spacing_rows
        by_rows = _log_evidence(count.alarm_rows * independent, self.most_alarm_rows * count.rows * independent)
        if max(by_alarms, by_rows) >= math.log(2.0 / _LEVEL):
            return Verdict.MORE_ALARMS
        return Verdict.UNKNOWN if count.rows < _LEAST_STRETCHES * self.spacing_rows else Verdict.AS_PROMISED


def total_of(counts: Sequence[LiveCount]) -> LiveCount | None:
    """Every asset together; `None` before any row was scored."""
    total: LiveCount | None = None
    for count in counts:
        total = replace(count, asset=None) if total is None else total.plus(count)
    return total


def more_alarms(detector: ServedDetector, count: LiveCount, promise: Promise, *, now: datetime, alert_id: str) -> Alert:
    """Tell people that a promise is broken: once for each limit and asset."""
    where = f" at {count.asset}" if count.asset else ""
    return Alert(
        id=alert_id,
        source="anomaly",
        kind="more_alarms_than_promised",
        severity=Severity.WARNING,
        asset=count.asset,
        subject=detector.name,
        message=f"{detector.name}{where}: {MORE_ALARMS}",
        occurred_at=now,
        dedup_key=f"anomaly:{detector.name}:{detector.version}:{count.asset or '-'}:more_alarms",
        facts={
            "version": detector.version,
            "rows": count.rows,
            "anomalous_rows": count.alarm_rows,
            "alarms": count.alarms,
            "expected_alarms": promise.expected_alarms * count.rows,
            "promised_at_most": promise.most_alarms * count.rows,
        },
    )


def limit_key(threshold: Threshold) -> str:
    """Tells one limit from another."""
    text = json.dumps([threshold.value, threshold.rule], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _log_evidence(count: float, expected: float) -> float:
    """Logarithm of the mean likelihood ratio of rates above the promised one."""
    logs = [count * math.log(factor) - expected * (factor - 1.0) for factor in _FACTORS]
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs) / len(logs))


def _number(document: Mapping[str, JSON], name: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a stored threshold holds {value!r} where a number belongs")
    return float(value)
