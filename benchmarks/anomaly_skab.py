"""Detectors on 1 Hz data of a real pump (SKAB), beside calling every row anomalous."""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.data import DATA
from benchmarks.skab import Run, read_runs
from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc
from services.anomaly.library import Detector

_LATEST_START_ROWS = 150
_FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
_NONE = Confusion(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How labels and scores of one run, or of several pooled, compare with the truth.

    Parameters
    ----------
    found, all_ones
        Rows as the detector called them, and as they are when every row is called anomalous.
    late_found, late_all_ones
        The same when judging starts 0 to 150 rows later. Most faults of SKAB start at the same row: a rule that counts
        rows does well on `found` and loses here.
    auc_roc, auc_pr
        Of the scores of a run; the mean of several runs, since each has its own detector and its own scale of scores.
    training_s
        Time spent in training; the sum of several runs.
    """

    found: Confusion
    all_ones: Confusion
    late_found: Confusion
    late_all_ones: Confusion
    auc_roc: float
    auc_pr: float
    training_s: float


def judge(detector: Detector, run: Run) -> Verdict:
    """Train the detector anew on the first rows of a run and judge it on the others."""
    started = time.perf_counter()
    detector.fit(run.training)
    training_s = time.perf_counter() - started
    detection = detector.detect(run.judged, context=run.training)
    late = _late_start_row(run.name)
    late_labels = detector.detect(run.judged[late:], context=run.training).labels
    all_ones = np.ones_like(run.truth)
    return Verdict(
        Confusion.of(run.truth, detection.labels),
        Confusion.of(run.truth, all_ones),
        Confusion.of(run.truth[late:], late_labels),
        Confusion.of(run.truth[late:], all_ones[late:]),
        auc_roc(run.truth, detection.scores),
        auc_pr(run.truth, detection.scores),
        training_s,
    )


def pool(verdicts: Sequence[Verdict]) -> Verdict:
    """Several runs as one: counts and times added, areas averaged."""
    return Verdict(
        sum((verdict.found for verdict in verdicts), start=_NONE),
        sum((verdict.all_ones for verdict in verdicts), start=_NONE),
        sum((verdict.late_found for verdict in verdicts), start=_NONE),
        sum((verdict.late_all_ones for verdict in verdicts), start=_NONE),
        float(np.mean([verdict.auc_roc for verdict in verdicts])),
        float(np.mean([verdict.auc_pr for verdict in verdicts])),
        sum(verdict.training_s for verdict in verdicts),
    )


def left_out(tables: Mapping[float, Sequence[Confusion]]) -> tuple[Confusion, tuple[float, ...]]:
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
    """Print a line of figures a kind, then what the choice of the margin factor is worth on runs not looked at."""
    runs = read_runs(DATA)
    if not runs:
        print(f"  left out: no labelled runs in {DATA / 'anomaly' / 'skab'}; FUTAGODATA names the folder of data")
        return
    print(f"  {len(runs)} runs, rows pooled, no point adjustment; late = judging starts up to 150 rows later")
    print(
        f"  {'kind':28s} {'F1':>6s} {'FAR %':>6s} {'MAR %':>6s} {'AUC-ROC':>8s} {'AUC-PR':>7s} {'ones F1':>8s}"
        f" {'late F1':>8s} {'ones':>6s} {'train s':>8s}  lowest F1 of a run"
    )
    for name, detector in _detectors().items():
        _print_kind(name, runs, [judge(detector, run) for run in runs])
    _print_factors(runs)


def _detectors() -> dict[str, Detector]:
    return {
        "mahalanobis": Detector("mahalanobis"),
        "pca": Detector("pca"),
        "autoencoder": Detector("autoencoder"),
        "lstm_autoencoder": Detector("lstm_autoencoder"),
        "lstm_autoencoder, head error": Detector("lstm_autoencoder", head="error"),
    }


def _print_kind(name: str, runs: Sequence[Run], verdicts: Sequence[Verdict]) -> None:
    total = pool(verdicts)
    lowest_f1, lowest = min((verdict.found.f1, run.name) for run, verdict in zip(runs, verdicts, strict=True))
    print(
        f"  {name:28s} {_rates(total.found)} {total.auc_roc:8.3f} {total.auc_pr:7.3f} {total.all_ones.f1:8.3f}"
        f" {total.late_found.f1:8.3f} {total.late_all_ones.f1:6.3f} {total.training_s:8.2f}"
        f"  {lowest_f1:.3f} ({lowest})"
    )


def _print_factors(runs: Sequence[Run]) -> None:
    tables = {
        factor: [
            judge(Detector("mahalanobis", threshold={"method": "margin", "factor": factor}), run).found for run in runs
        ]
        for factor in _FACTORS
    }
    for factor, found in tables.items():
        print(f"  mahalanobis, factor {factor:<8g} {_rates(sum(found, start=_NONE))}")
    found_unseen, chosen = left_out(tables)
    factors = ", ".join(f"{factor:g} ({chosen.count(factor)} x)" for factor in sorted(set(chosen)))
    print(f"  {'factor chosen on other runs':28s} {_rates(found_unseen)}  chosen: {factors}")


def _rates(table: Confusion) -> str:
    return f"{table.f1:6.3f} {100 * table.false_alarm_rate:6.1f} {100 * table.missed_alarm_rate:6.1f}"


def _pooled_f1_without(left_out_run: int, tables: Sequence[Confusion]) -> float:
    return sum((table for run, table in enumerate(tables) if run != left_out_run), start=_NONE).f1


def _late_start_row(name: str) -> int:
    # A start of its own for every file, the same in every session.
    return int(np.random.default_rng(zlib.crc32(name.encode())).integers(0, _LATEST_START_ROWS + 1))
