"""Detectors on a simulated chemical process (Tennessee Eastman), trained on 500 normal rows [1].

References
----------
.. [1] Russell, Chiang & Braatz (2000), Data-driven methods for fault detection and diagnosis in chemical processes
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.anomaly.plain import Judge
from benchmarks.anomaly.tables import Labelled, read_table
from benchmarks.data import DATA
from services.anomaly.library import Detector

_FOLDER = Path("anomaly") / "tep"


def main() -> None:
    """Print a line a kind: rows called in each fault, and normal rows called."""
    folder = DATA / _FOLDER
    if not (folder / "d00_train.csv.gz").exists():
        print(f"  left out: no training rows in {folder}")
        return
    training = read_table(folder / "d00_train.csv.gz").rows
    normal = read_table(folder / "d00_test.csv.gz")
    faults = {path.name[:3]: read_table(path) for path in sorted(folder.glob("d*_test.csv.gz"))}
    faults.pop("d00")
    print(f"  TEP: {len(training)} training rows of {training.shape[1]} sensors; faulty rows found %")
    print(f"  {'':26s} {'mean':>6s} " + " ".join(f"{name:>6s}" for name in faults) + "   FAR %  before a fault %")
    for name, make in _kinds().items():
        _print_kind(name, make(), training, normal, faults)


def _kinds() -> Mapping[str, Callable[[], Judge]]:
    return {
        "auto": Detector,
        "mahalanobis, 5-row mean": lambda: Detector("mahalanobis", smoothing_rows=5),
        "mahalanobis, 30-row mean": lambda: Detector("mahalanobis", smoothing_rows=30),
        "pca": lambda: Detector("pca"),
    }


def _print_kind(
    name: str, detector: Judge, training: np.ndarray, normal: Labelled, faults: Mapping[str, Labelled]
) -> None:
    detector.fit(training)

    def called(table: Labelled, truth: int) -> float:
        labels = detector.detect(table.rows, context=training).labels
        return 100.0 * float(labels[table.truth == truth].mean())

    found = [called(table, 1) for table in faults.values()]
    before = float(np.mean([called(table, 0) for table in faults.values()]))
    print(
        f"  {name:26s} {np.mean(found):6.2f} {' '.join(f'{share:6.1f}' for share in found)}"
        f"  {called(normal, 0):6.2f}  {before:6.2f}"
    )
