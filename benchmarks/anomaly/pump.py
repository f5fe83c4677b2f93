"""Detectors on 1 Hz data of a real pump (SKAB), beside rules without a model and the truth itself."""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np

from benchmarks.anomaly.plain import Judge, MeanDeviation
from benchmarks.data import DATA
from benchmarks.skab import Run, read_runs
from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc
from services.anomaly.domain.evaluation_change_points import ChangePoints, Profile
from services.anomaly.library import Detector
from shared.errors import JSON

Setting = TypeVar("Setting")

_LATEST_START_ROWS = 150
_NONE = Confusion(0, 0, 0, 0)
# What somebody who looks at the labels of other runs might choose among.
_SMOOTHING_ROWS, _FACTORS, _FLOORS = (None, 10, 30), (None, 1.25, 1.5, 2.0, 3.0, 4.0), (1e-3, 0.1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How labels and scores of one run, or of several pooled, compare with the truth.

    Parameters
    ----------
    found, all_ones
        Rows as the detector called them, and as they are when every row is called anomalous.
    late_found, late_all_ones
        The same when judging starts 0 to 150 rows later. Most faults of SKAB start at the same row: a rule that counts
        rows does well on `found` and loses here.
    changes
        Edges of the labels against the change points.
    auc_roc, auc_pr
        Of the scores of a run; the mean of several runs, since each has its own detector and its own scale of scores.
    training_s
        Time spent in training; the sum of several runs.
    """

    found: Confusion
    all_ones: Confusion
    late_found: Confusion
    late_all_ones: Confusion
    changes: ChangePoints
    auc_roc: float
    auc_pr: float
    training_s: float


def judge(detector: Judge, run: Run) -> Judgement:
    """Train the detector anew on the first rows of a run and judge it on the others."""
    started = time.perf_counter()
    detector.fit(run.training)
    training_s = time.perf_counter() - started
    detection = detector.detect(run.judged, context=run.training)
    late_labels = detector.detect(run.judged[_late_start_row(run.name) :], context=run.training).labels
    return _compare(run, detection.labels, detection.scores, late_labels, training_s)


def pool(judgements: Sequence[Judgement]) -> Judgement:
    """Several runs as one: counts and times added, areas averaged."""
    return Judgement(
        sum((one.found for one in judgements), start=_NONE),
        sum((one.all_ones for one in judgements), start=_NONE),
        sum((one.late_found for one in judgements), start=_NONE),
        sum((one.late_all_ones for one in judgements), start=_NONE),
        sum((one.changes for one in judgements), start=ChangePoints((), 0, 0)),
        float(np.mean([one.auc_roc for one in judgements])),
        float(np.mean([one.auc_pr for one in judgements])),
        sum(one.training_s for one in judgements),
    )


def left_out(tables: Mapping[Setting, Sequence[Confusion]]) -> tuple[Confusion, tuple[Setting, ...]]:
    """What choosing a setting by F1 gives on a run that had no part in the choice.

    Parameters
    ----------
    tables
        One table a run, for each setting; the runs in the same order.

    Returns
    -------
    tuple
        The tables of the runs pooled, each at the setting with the best pooled F1 over all other runs, and the setting
        chosen for each.
    """
    runs = range(len(next(iter(tables.values()))))
    chosen = tuple(max(tables, key=lambda setting: _pooled_f1_without(run, tables[setting])) for run in runs)
    return sum((tables[setting][run] for run, setting in enumerate(chosen)), start=_NONE), chosen


def main() -> None:
    """Print a line of figures a kind, then what choosing settings on other runs would have been worth."""
    runs = print_kinds(
        {
            "auto": Detector,
            "mahalanobis, 30-row mean": lambda: Detector("mahalanobis", smoothing_rows=30),
            "pca": lambda: Detector("pca"),
            "isolation_forest": lambda: Detector("isolation_forest"),
            "autoencoder": lambda: Detector("autoencoder"),
            "60-row mean of sum |z|": MeanDeviation,
        }
    )
    if runs:
        _print_rules(runs)
        _print_choices(runs)


def print_kinds(makes: Mapping[str, Callable[[], Judge]], *, every: int = 1) -> Sequence[Run]:
    """Print a line of figures for every way to make a detector; the runs they were judged on, if there are any.

    Parameters
    ----------
    every
        So many runs of which one is used.
    """
    runs = read_runs(DATA)[::every]
    if not runs:
        print(f"  left out: no labelled runs in {DATA / 'anomaly' / 'skab'}; FUTAGO_DATA names the folder of data")
        return runs
    print(f"  SKAB: {len(runs)} runs, 400 training rows each, rows pooled, no point adjustment")
    print(
        f"  {'':26s} {'F1':>6s} {'FAR %':>6s} {'MAR %':>6s} {'ROC':>6s} {'PR':>6s} {'NAB':>6s} | {'margin':>6s}"
        f" {'late':>6s} {'FAR %':>6s} {'MAR %':>6s} | {'train s':>7s}  lowest F1 of a run"
    )
    for name, make in makes.items():
        _print_kind(name, runs, [judge(make(), run) for run in runs])
    return runs


def _print_rules(runs: Sequence[Run]) -> None:
    _print_kind("every row anomalous", runs, [_by_rule(run, np.ones_like(run.truth)) for run in runs])
    _print_kind("the truth itself", runs, [_by_rule(run, run.truth) for run in runs])
    print(
        "  margin: F1 over that of calling every row anomalous; late: the same, FAR and MAR, when judging starts 0 to"
    )
    print("  150 rows later. Late starts leave out normal rows, so that even the truth's margin shrinks. 1 - FAR - MAR")
    print("  does not depend on how many rows are normal; a rule that counts rows would lose it.")


def _print_choices(runs: Sequence[Run]) -> None:
    tables = {
        choice: [judge(_chosen(choice), run).found for run in runs]
        for choice in product(_SMOOTHING_ROWS, _FACTORS, _FLOORS)
    }
    default = (None, None, _FLOORS[0])
    unseen, chosen = left_out(tables)
    print(f"  {'defaults, nothing chosen':40s} {_rates(sum(tables[default], start=_NONE))}")
    print(f"  {f'best of {len(tables)} settings, chosen on other runs':40s} {_rates(unseen)}")
    best = max(tables, key=lambda choice: sum(tables[choice], start=_NONE).f1)
    print(f"  {'best of them, chosen on these runs':40s} {_rates(sum(tables[best], start=_NONE))}  {best}")
    print(f"  chosen: {', '.join(f'{choice} ({chosen.count(choice)} x)' for choice in dict.fromkeys(chosen))}")


def _chosen(choice: tuple[int | None, float | None, float]) -> Detector:
    smoothing_rows, factor, floor = choice
    threshold: dict[str, JSON] = {"method": "margin", "factor": factor}
    return Detector("mahalanobis", threshold=threshold, smoothing_rows=smoothing_rows, eigenvalue_floor=floor)


def _by_rule(run: Run, labels: Labels) -> Judgement:
    return _compare(run, labels, labels.astype(float), labels[_late_start_row(run.name) :], 0.0)


def _compare(run: Run, labels: Labels, scores: Floats, late_labels: Labels, training_s: float) -> Judgement:
    late = _late_start_row(run.name)
    all_ones = np.ones_like(run.truth)
    return Judgement(
        Confusion.of(run.truth, labels),
        Confusion.of(run.truth, all_ones),
        Confusion.of(run.truth[late:], late_labels),
        Confusion.of(run.truth[late:], all_ones[late:]),
        ChangePoints.of(run.changed, labels, run.times_s),
        auc_roc(run.truth, scores),
        auc_pr(run.truth, scores),
        training_s,
    )


def _print_kind(name: str, runs: Sequence[Run], judgements: Sequence[Judgement]) -> None:
    total = pool(judgements)
    lowest_f1, lowest = min((one.found.f1, run.name) for run, one in zip(runs, judgements, strict=True))
    late = total.late_found
    print(
        f"  {name:26s} {_rates(total.found)} {total.auc_roc:6.3f} {total.auc_pr:6.3f}"
        f" {total.changes.score(Profile.STANDARD):6.1f} | {total.found.f1 - total.all_ones.f1:6.3f}"
        f" {late.f1 - total.late_all_ones.f1:6.3f} {100 * late.false_alarm_rate:6.1f}"
        f" {100 * late.missed_alarm_rate:6.1f} | {total.training_s:7.2f}  {lowest_f1:.3f} ({lowest})"
    )


def _rates(table: Confusion) -> str:
    return f"{table.f1:6.3f} {100 * table.false_alarm_rate:6.1f} {100 * table.missed_alarm_rate:6.1f}"


def _pooled_f1_without(left_out_run: int, tables: Sequence[Confusion]) -> float:
    return sum((table for run, table in enumerate(tables) if run != left_out_run), start=_NONE).f1


def _late_start_row(name: str) -> int:
    # A start of its own for every file, the same in every session.
    return int(np.random.default_rng(zlib.crc32(name.encode())).integers(0, _LATEST_START_ROWS + 1))
