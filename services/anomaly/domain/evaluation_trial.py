"""The use case: judge a detector on labelled files, beside baselines, and again with another start of every file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.evaluation import Confusion
from services.anomaly.domain.evaluation_baselines import (
    MEAN_ROWS,
    highest,
    late_start_rows,
    mean_deviation,
    random_rows,
    same_rows,
    usual_rows,
)
from services.anomaly.domain.evaluation_verdict import LabelledRows, Verdict, judge, pool
from shared.errors import JSON

ALL_ONES = "every row anomalous"
RANDOM = "as many rows, at random"
NO_MODEL = f"as many, {MEAN_ROWS}-row mean of sum |z|"
COUNTS_ROWS = "same rows as in other files"
TRUTH = "the truth itself"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A detector that is ready for one file.

    Parameters
    ----------
    detect
        What it says of the rows of a file, looking back on their context.
    mean, std
        `(c,)` of its training rows [unit of the sensor].
    """

    detect: Callable[[LabelledRows], Detection]
    mean: Floats
    std: Floats


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """One file, what the detector said of it, and how good that was."""

    file: LabelledRows
    detection: Detection
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LateStart:
    """The leak check: the same files, each begun a little later.

    A rule that counts rows calls other rows then; a detector that looks at sensors calls the same. So the rates of both
    runs are compared on the rows that have a score in both. F1 over all rows is not the measure of it: with normal rows
    gone, anomalous ones are more frequent, and F1 rises for everything, all-ones included. The truth shows how much of
    the margin over all-ones is left for anybody.

    Parameters
    ----------
    longest
        Most rows that were dropped.
    lines
        By name, as in `Evaluation`.
    same_rows
        Rows with a score in both runs, as they were called when each file began at its beginning, and when it began
        later: of the detector, and of the rule that counts rows.
    """

    longest: int
    lines: Mapping[str, Verdict]
    same_rows: Mapping[str, tuple[Confusion, Confusion]]

    def moved(self, name: str) -> tuple[float, float]:
        """Change of false alarm rate and missed alarm rate [1]."""
        then, now = self.same_rows[name]
        return now.false_alarm_rate - then.false_alarm_rate, now.missed_alarm_rate - then.missed_alarm_rate

    def to_json(self) -> dict[str, JSON]:
        """All figures as plain values."""
        moves = {name: self.moved(name) for name in self.same_rows}
        return {
            "longest_rows": self.longest,
            "pooled": {name: verdict.to_json() for name, verdict in self.lines.items()},
            "moved_on_same_rows": {
                name: {"false_alarm_rate": alarms, "missed_alarm_rate": misses}
                for name, (alarms, misses) in moves.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out.

    Parameters
    ----------
    name
        Of the detector; one of the lines.
    lines
        Pooled figures of the detector and of the baselines, by name.
    files
        One by one.
    late
        The leak check, where it was asked for.
    """

    name: str
    lines: Mapping[str, Verdict]
    files: tuple[JudgedFile, ...]
    late: LateStart | None

    @property
    def unscored(self) -> int:
        """Rows of which the detector says nothing: too few rows before them, or readings that are missing."""
        return sum(int((~np.isfinite(judged.detection.scores)).sum()) for judged in self.files)

    @property
    def verdict(self) -> Verdict:
        """The detector's own figures, pooled."""
        return self.lines[self.name]

    def to_json(self) -> dict[str, JSON]:
        """All figures as plain values."""
        return {
            "detector": self.name,
            "unscored_rows": self.unscored,
            "pooled": {name: verdict.to_json() for name, verdict in self.lines.items()},
            "files": {judged.file.name: judged.verdict.to_json() for judged in self.files},
            "late_start": None if self.late is None else self.late.to_json(),
        }


def evaluate(
    name: str, files: Sequence[LabelledRows], contestants: Sequence[Contestant], *, late_start: int
) -> Evaluation:
    """Judge one detector on several files.

    Parameters
    ----------
    files
        At least one.
    contestants
        The detector as it is for each file: one for all, or fitted anew for each.
    late_start
        Most rows dropped at the start of a file for the leak check; 0 leaves it out.
    """
    usual = [usual_rows(files, own) for own in range(len(files))]
    judged = _judge(files, contestants)
    late = _begun_later(name, judged, contestants, usual, late_start) if late_start else None
    return Evaluation(name, _lines(name, judged, contestants, usual), tuple(judged), late)


def _begun_later(
    name: str,
    judged: Sequence[JudgedFile],
    contestants: Sequence[Contestant],
    usual: Sequence[tuple[int, int] | None],
    longest: int,
) -> LateStart:
    # Of every file some rows stay.
    dropped = [min(late_start_rows(one.file.name, longest), len(one.file.rows) - 1) for one in judged]
    later = _judge([one.file.without_first(rows) for one, rows in zip(judged, dropped, strict=True)], contestants)
    same = {name: [_both(one, other, rows) for one, other, rows in zip(judged, later, dropped, strict=True)]}
    if all(place is not None for place in usual):
        same[COUNTS_ROWS] = [
            _both_by_rule(one.file, other.file, rows, place)
            for one, other, rows, place in zip(judged, later, dropped, usual, strict=True)
            if place is not None
        ]
    pooled = {
        line: (_sum([then for then, _ in pairs]), _sum([now for _, now in pairs])) for line, pairs in same.items()
    }
    return LateStart(longest, _lines(name, later, contestants, usual), pooled)


def _both(one: JudgedFile, later: JudgedFile, dropped: int) -> tuple[Confusion, Confusion]:
    known = np.isfinite(one.detection.scores[dropped:]) & np.isfinite(later.detection.scores)
    truth = later.file.truth[known]
    then, now = one.detection.labels[dropped:][known], later.detection.labels[known]
    return Confusion.of(truth, then), Confusion.of(truth, now)


def _both_by_rule(
    file: LabelledRows, later: LabelledRows, dropped: int, place: tuple[int, int]
) -> tuple[Confusion, Confusion]:
    then, now = same_rows(file, place)[dropped:], same_rows(later, place)
    return Confusion.of(later.truth, then), Confusion.of(later.truth, now)


def _sum(tables: Sequence[Confusion]) -> Confusion:
    return sum(tables, start=Confusion(0, 0, 0, 0))


def _judge(files: Sequence[LabelledRows], contestants: Sequence[Contestant]) -> list[JudgedFile]:
    found = [one.detect(file) for file, one in zip(files, contestants, strict=True)]
    return [
        JudgedFile(file, detection, judge(file, detection.labels, detection.scores))
        for file, detection in zip(files, found, strict=True)
    ]


def _lines(
    name: str,
    judged: Sequence[JudgedFile],
    contestants: Sequence[Contestant],
    usual: Sequence[tuple[int, int] | None],
) -> dict[str, Verdict]:
    alarms = [int(one.detection.labels.sum()) for one in judged]
    files = [one.file for one in judged]
    plain = [mean_deviation(file, one.mean, one.std) for file, one in zip(files, contestants, strict=True)]
    lines = {
        name: [one.verdict for one in judged],
        ALL_ONES: [judge(file, np.ones_like(file.truth), None) for file in files],
        RANDOM: [random_rows(file, count) for file, count in zip(files, alarms, strict=True)],
        NO_MODEL: [
            judge(file, highest(scores, count), scores)
            for file, scores, count in zip(files, plain, alarms, strict=True)
        ],
        COUNTS_ROWS: [
            judge(file, same_rows(file, rows), None)
            for file, rows in zip(files, usual, strict=True)
            if rows is not None
        ],
        TRUTH: [judge(file, file.truth, file.truth.astype(np.float64)) for file in files],
    }
    return {line: pool(verdicts) for line, verdicts in lines.items() if len(verdicts) == len(files)}
