"""What imperfect rows cost: readings that are missing (SKAB), and a clock that is known or not (SMD)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.anomaly.tables import read_table
from benchmarks.data import DATA
from benchmarks.skab import Run, read_runs
from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.evaluation import Confusion, auc_pr
from services.anomaly.library import Detector

_MISSING_SHARES = (0.0, 0.01, 0.05, 0.1)
_SERVERS = ("machine-1-6", "machine-2-1")
_MINUTE = np.timedelta64(60, "s")
# Only the time of day counts, and the data does not tell it: the rows begin at midnight.
_START = np.datetime64("2026-04-01T00:00:00")


def main() -> None:
    """Print labels of the pump with readings left out at random, and scores of the servers with and without a clock."""
    if runs := read_runs(DATA):
        print("  SKAB, auto: readings of training and judged rows left out at random")
        for share in _MISSING_SHARES:
            _print_pooled(f"{100 * share:.0f} % missing", [_with_missing(run, share) for run in runs])
    else:
        print(f"  left out: no runs in {DATA / 'anomaly' / 'skab'}")
    folder = DATA / "anomaly" / "smd"
    for server in _SERVERS:
        if (folder / f"{server}_train.csv.gz").exists():
            _print_server(folder, server)
        else:
            print(f"  left out: no {server} in {folder}")


def _with_missing(run: Run, share: float) -> Confusion:
    random = np.random.default_rng(0)
    training, judged = (_thinned(rows, share, random) for rows in (run.training, run.judged))
    return Confusion.of(run.truth, Detector().fit(training).detect(judged, context=training).labels)


def _thinned(rows: Floats, share: float, random: np.random.Generator) -> Floats:
    return np.where(random.random(rows.shape) < share, np.nan, rows)


def _print_pooled(name: str, found: Sequence[Confusion]) -> None:
    table = sum(found[1:], start=found[0])
    print(
        f"  {name:26s} F1 {table.f1:5.3f}, false alarms {100 * table.false_alarm_rate:4.1f} %,"
        f" missed {100 * table.missed_alarm_rate:4.1f} %"
    )


def _print_server(folder: Path, server: str) -> None:
    training, later = (read_table(folder / f"{server}_{part}.csv.gz") for part in ("train", "test"))
    times = _START + np.arange(len(training.rows) + len(later.rows)) * _MINUTE
    before = len(training.rows)
    for name, season in (("clock pattern taken out", "auto"), ("left in", "keep")):
        detector = Detector(season=season).fit(training.rows, times[:before])
        found = detector.detect(later.rows, training.rows, times[before:], times[:before])
        table = Confusion.of(later.truth, found.labels)
        print(
            f"  SMD {server}, {name:24s} AUC-PR {auc_pr(later.truth, found.scores):.3f},"
            f" false alarms {100 * table.false_alarm_rate:.2f} %, missed {100 * table.missed_alarm_rate:.1f} %"
        )
