"""Every figure of one detector on labelled rows, for one file and for several pooled."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels, Times
from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc
from services.anomaly.domain.evaluation_change_points import ChangePoints, Profile
from services.anomaly.domain.evaluation_events import EventCount
from services.anomaly.domain.evaluation_volume import vus_pr
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows of one file whose truth is known.

    Parameters
    ----------
    rows
        `(n, c)`, oldest first.
    truth
        `(n,)`; 1 where something was wrong.
    changed
        `(n,)`; 1 where something began or ended, where the file says so.
    times
        `(n,)`, increasing [µs since 1970 in UTC], where known.
    context, context_times
        `(m, c)` rows just before, looked back on and not judged, and their times.
    """

    name: str
    rows: Floats
    truth: Labels
    changed: Labels | None
    times: Times | None
    context: Floats
    context_times: Times | None

    @property
    def times_s(self) -> Floats | None:
        """`(n,)` times of the rows [s since 1970]."""
        return None if self.times is None else self.times / 1e6

    def without_first(self, rows: int) -> "LabelledRows":
        """The same file as if judging began this many rows later; the context stays."""
        return LabelledRows(
            self.name,
            self.rows[rows:],
            self.truth[rows:],
            None if self.changed is None else self.changed[rows:],
            None if self.times is None else self.times[rows:],
            self.context,
            self.context_times,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How labels and scores compare with the truth.

    Parameters
    ----------
    rows
        Counted row by row; of several files the sum.
    f1_macro
        F1 of a file; of several files the mean.
    events
        Counted fault by fault, or none where nothing was called.
    changes
        How well beginnings and ends were told, where the truth and the times of these are known.
    auc_roc, auc_pr, vus_pr
        Areas under curves of the scores; of several files the mean, since scores of different detectors have no common
        scale. NaN where there are no scores.
    """

    rows: Confusion
    f1_macro: float
    events: EventCount | None
    changes: ChangePoints | None
    auc_roc: float
    auc_pr: float
    vus_pr: float

    def to_json(self) -> dict[str, JSON]:
        """Counts and figures as plain values; what is not known is null."""
        figures = self.rows.to_json()
        known = {
            "f1": self.rows.f1,
            "precision": self.rows.precision,
            "recall": self.rows.recall,
            "false_alarm_rate": self.rows.false_alarm_rate,
            "missed_alarm_rate": self.rows.missed_alarm_rate,
            "f1_macro": self.f1_macro,
            "auc_roc": self.auc_roc,
            "auc_pr": self.auc_pr,
            "vus_pr": self.vus_pr,
        }
        if self.events is not None:
            figures |= {"events": self.events.events, "events_found": self.events.found}
            known |= {
                "median_delay_rows": self.events.median_delay_rows,
                "median_delay_s": self.events.median_delay_s,
                "false_alarms": self.events.false_alarms,
                "false_alarms_per_day": self.events.false_alarms_per_day,
            }
        if self.changes is not None:
            known |= {f"nab_{profile}": self.changes.score(profile) for profile in Profile}
        return figures | {name: value if isfinite(value) else None for name, value in known.items()}


def judge(file: LabelledRows, labels: Labels, scores: Floats | None) -> Verdict:
    """Compare `(n,)` labels, and `(n,)` scores where there are any, with the truth of a file.

    A row without a score (NaN) raises no alarm; for the areas it ranks below all that have one.
    """
    rows = Confusion.of(file.truth, labels)
    times_s = file.times_s
    areas = (nan, nan, nan)
    if scores is not None and np.isfinite(scores).any():
        ranked = np.where(np.isfinite(scores), scores, np.nanmin(scores) - 1.0)
        areas = (auc_roc(file.truth, ranked), auc_pr(file.truth, ranked), vus_pr(file.truth, ranked))
    return Verdict(
        rows,
        rows.f1,
        EventCount.of(file.truth, labels, times_s),
        None if file.changed is None or times_s is None else ChangePoints.of(file.changed, labels, times_s),
        *areas,
    )


def pool(verdicts: Sequence[Verdict]) -> Verdict:
    """Several files as one: counts added, areas averaged over the files that have them; at least one."""
    return Verdict(
        sum((verdict.rows for verdict in verdicts), start=Confusion(0, 0, 0, 0)),
        _mean([verdict.f1_macro for verdict in verdicts]),
        _events(verdicts),
        _changes(verdicts),
        _mean([verdict.auc_roc for verdict in verdicts]),
        _mean([verdict.auc_pr for verdict in verdicts]),
        _mean([verdict.vus_pr for verdict in verdicts]),
    )


def _events(verdicts: Sequence[Verdict]) -> EventCount | None:
    counts = [verdict.events for verdict in verdicts if verdict.events is not None]
    return sum(counts[1:], start=counts[0]) if counts else None


def _changes(verdicts: Sequence[Verdict]) -> ChangePoints | None:
    told = [verdict.changes for verdict in verdicts if verdict.changes is not None]
    return sum(told[1:], start=told[0]) if told else None


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return float(np.mean(known)) if known else nan
