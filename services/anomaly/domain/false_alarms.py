"""How many false alarms a limit lets through: what held-out normal rows say, and how sure that is.

Neighbouring scores share readings, so anomalous rows come in clusters. Rows closer to one another than a score looks
back are therefore one alarm ("runs declustering" [1]); alarms so counted are nearly independent, their number is a
Poisson count, and its exact interval [2] is stated. Where none was seen, "none" is not promised: three alarms in
as many rows as were looked at would still have stayed unseen with a probability of 5 % (the rule of three [3]).

References
----------
.. [1] Smith & Weissman (1994), Estimating the extremal index, J. R. Statist. Soc. B 56(3)
.. [2] Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28(3/4)
.. [3] Hanley & Lippman-Hand (1983), If nothing goes wrong, is everything all right?, JAMA 249(13)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.anomaly.domain.arrays import Labels
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.thresholds import Threshold
from shared.errors import JSON

# Each end of an interval is passed with a probability of 5 %.
CONFIDENCE = 0.9
_TAIL = (1.0 - CONFIDENCE) / 2.0
# Standard normal quantile of 95 %.
_Z = 1.6448536269514722
_HALVINGS = 60
_DAY_S = 86_400.0
_PER_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """An expected number per row and its interval [1/row]."""

    expected: float
    lower: float
    upper: float

    def times(self, rows: float) -> dict[str, JSON]:
        """The numbers expected in so many rows."""
        return {"expected": self.expected * rows, "lower": self.lower * rows, "upper": self.upper * rows}


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What held-out normal rows say of a limit.

    Parameters
    ----------
    alarms, rows
        Alarms that begin, and anomalous rows, each per normal row.
    seen_alarms, seen_rows
        Those among the held-out rows.
    basis_rows, independent
        Held-out rows, and how many of them share no reading.
    """

    alarms: Rate
    rows: Rate
    seen_alarms: int
    seen_rows: int
    basis_rows: int
    independent: int

    def to_json(self, rows: float) -> dict[str, JSON]:
        """The statement for so many rows."""
        return {
            **self.alarms.times(rows),
            "confidence": CONFIDENCE,
            "basis_rows": self.basis_rows,
            "independent": self.independent,
            "seen": self.seen_alarms,
            "anomalous_rows": self.rows.times(rows),
        }


def alarms(labels: Labels, *, apart_rows: int) -> int:
    """Number of clusters of ones; those with at least `apart_rows - 1` zeros between them are two.

    Examples
    --------
    >>> alarms(np.array([1, 0, 1, 0, 0, 0, 1], np.int8), apart_rows=4)
    2
    """
    positions = np.flatnonzero(labels)
    return int(len(positions) > 0) + int((np.diff(positions) >= apart_rows).sum())


def poisson_interval(count: int) -> tuple[float, float]:
    """Garwood's exact 90 % interval for the mean of a Poisson count.

    Examples
    --------
    >>> [round(end, 2) for end in poisson_interval(0)], [round(end, 2) for end in poisson_interval(10)]
    ([0.0, 3.0], [5.43, 16.96])
    """
    upper = _mean_where(count, _TAIL)
    lower = 0.0 if count == 0 else _mean_where(count - 1, 1.0 - _TAIL)
    return lower, upper


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 90 % interval for a share of `n` independent values [1].

    References
    ----------
    .. [1] Wilson (1927), Probable inference, J. Am. Statist. Assoc. 22(158)
    """
    spread = _Z**2 / n
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = math.sqrt(share * (1.0 - share) * spread + spread**2 / 4.0) / (1.0 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def false_alarms(held_out: HeldOut, limit: float) -> FalseAlarms:
    """Count the alarms of a limit on held-out normal scores.

    With none seen, the expected number is half an alarm in all of them (the mean after the event under Jeffreys'
    prior): never 0.
    """
    labels = (held_out.scores > limit).astype(np.int8)
    n, independent = len(labels), held_out.independent
    count, rows = alarms(labels, apart_rows=held_out.spacing_rows), int(labels.sum())
    lower, upper = poisson_interval(count)
    # Alarms are apart by more than a stretch, so there are no more of them than stretches.
    most = 1.0 / held_out.spacing_rows
    alarm_rate = Rate(min(max(count, 0.5) / n, most), lower / n, min(upper / n, most))
    rows_lower, rows_upper = share_interval(rows / n, independent)
    row_rate = Rate(max(rows / n, 0.5 / n), rows_lower, rows_upper)
    return FalseAlarms(alarm_rate, row_rate, count, rows, n, independent)


def with_false_alarms(threshold: Threshold, held_out: HeldOut, *, rows_of_a_day: float | None) -> Threshold:
    """A limit whose evidence states its false alarms: in 1000 rows, and in a day where it is known how many come."""
    found = false_alarms(held_out, threshold.value)
    daily: JSON = None
    if rows_of_a_day is not None:
        daily = {**found.to_json(rows_of_a_day), "rows_per_day": rows_of_a_day}
    said: dict[str, JSON] = {
        "false_alarms_per_day": daily,
        "false_alarms_per_1000_rows": found.to_json(_PER_ROWS),
    }
    return Threshold(threshold.value, threshold.rule, {**threshold.evidence, **said})


def stated_rows_per_day(threshold: Threshold) -> float | None:
    """The rows of a day that a limit's evidence goes by."""
    said = threshold.evidence.get("false_alarms_per_day")
    number = said.get("rows_per_day") if isinstance(said, Mapping) else None
    return number if isinstance(number, float) else None


def rows_per_day(period: tuple[datetime, datetime], rows: int) -> float | None:
    """Rows that came in a day on average, pauses included; `None` where a single row tells nothing."""
    span_s = (period[1] - period[0]).total_seconds()
    return None if rows < 2 or span_s <= 0.0 else (rows - 1) * _DAY_S / span_s


def _mean_where(count: int, probability: float) -> float:
    """The mean at which a Poisson number is at most `count` with this probability."""
    i = np.arange(count + 1)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
    # Twelve standard deviations beyond the count, the probability is nil.
    low, high = 0.0, count + 12.0 * math.sqrt(count + 1.0) + 12.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        at_most = float(np.exp(i * math.log(middle) - middle - log_factorial).sum())
        low, high = (middle, high) if at_most > probability else (low, middle)
    return (low + high) / 2.0
