"""Labelled runs of a water pump, as the published protocol of SKAB divides them [1].

One detector a run: the first 400 rows train it, the rest is judged row by row.

References
----------
.. [1] Katser & Kozitsin (2020), Skoltech Anomaly Benchmark, doi:10.34740/KAGGLE/DSV/1693952
"""

import csv
import gzip
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels

_TRAIN_ROWS = 400
_MARKS = ("anomaly", "changepoint")
_NO_SENSORS = {"datetime", *_MARKS}


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Parameters
    ----------
    name
        Path of the file below the folder of runs, with slashes.
    training
        `(400, 8)` first readings, taken as normal.
    judged
        `(n, 8)` readings after them.
    truth
        `(n,)`; 1 where the pump was disturbed.
    changed
        `(n,)`; 1 where a disturbance began, was complete, began to end, or ended.
    times_s
        `(n,)` [s since the first row of the file].
    """

    name: str
    training: Floats
    judged: Floats
    truth: Labels
    changed: Labels
    times_s: Floats


def read_runs(data: Path) -> tuple[Run, ...]:
    """Every labelled run (`*.csv.gz`) in `anomaly/skab` below a folder of public data; none without that folder."""
    folder = data / "anomaly" / "skab"
    runs = (_read_run(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.csv.gz")))
    return tuple(run for run in runs if run)


def _read_run(path: Path, name: str) -> Run | None:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        table = list(csv.DictReader(file, delimiter=";"))
    if "anomaly" not in table[0]:
        return None
    sensors = [column for column in table[0] if column not in _NO_SENSORS]
    rows = np.array([[float(row[sensor]) for sensor in sensors] for row in table])
    truth, changed = (np.array([float(row[mark]) for row in table]).astype(np.int8) for mark in _MARKS)
    times = [datetime.fromisoformat(row["datetime"]) for row in table]
    times_s = np.array([(time - times[0]).total_seconds() for time in times])
    later = slice(_TRAIN_ROWS, None)
    return Run(name, rows[:_TRAIN_ROWS], rows[later], truth[later], changed[later], times_s[later])
