"""Detectors on servers (SMD) and a spacecraft (MSL): how scores rank rows, beside the control chart of a process."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.anomaly.plain import Judge, MeanComponents
from benchmarks.anomaly.tables import read_table
from benchmarks.data import DATA
from services.anomaly.domain.evaluation import Confusion, auc_pr, auc_roc
from services.anomaly.library import Detector

_SERIES = (("smd", "machine-1-6"), ("smd", "machine-2-1"), ("msl", "T-4"), ("msl", "C-1"))


def main() -> None:
    """Print a line a series and kind; a random score's AUC-PR is the share of anomalous rows."""
    print("  SMD and MSL: trained on the training file, judged on the other; labels at the limit set without labels")
    print(f"  {'':26s} {'':12s} {'PR':>6s} {'ROC':>6s} {'random':>7s} {'F1':>6s} {'FAR %':>6s} {'MAR %':>6s}")
    for group, series in _SERIES:
        folder = DATA / "anomaly" / group
        if (folder / f"{series}_train.csv.gz").exists():
            _print_series(folder, series)
        else:
            print(f"  left out: no {series} in {folder}")


def _print_series(folder: Path, series: str) -> None:
    training = read_table(folder / f"{series}_train.csv.gz").rows
    later = read_table(folder / f"{series}_test.csv.gz")
    kinds: Mapping[str, Callable[[], Judge]] = {
        "auto": Detector,
        "pca": lambda: Detector("pca"),
        "all components, 10-row mean": MeanComponents,
    }
    for name, make in kinds.items():
        detector = make()
        detector.fit(training)
        found = detector.detect(later.rows, context=training)
        table = Confusion.of(later.truth, found.labels)
        print(
            f"  {name:26s} {series:12s} {auc_pr(later.truth, found.scores):6.3f}"
            f" {auc_roc(later.truth, found.scores):6.3f} {later.truth.mean():7.3f} {table.f1:6.3f}"
            f" {100 * table.false_alarm_rate:6.2f} {100 * table.missed_alarm_rate:6.1f}"
        )
