"""False alarms of detectors on a pump that nobody disturbed (SKAB, anomaly-free)."""

from collections.abc import Iterable

import numpy as np

from benchmarks.anomaly.tables import read_table
from benchmarks.data import DATA
from services.anomaly.domain.arrays import Floats
from services.anomaly.library import Detector

_DAY_S = 86_400
_JUDGED_ROWS = 900
_STRIDE_ROWS = 800


def main() -> None:
    """Print shares of rows called, and runs of them a day, by how many rows trained."""
    path = DATA / "anomaly" / "skab" / "anomaly-free" / "anomaly-free.csv.gz"
    if not path.exists():
        print(f"  left out: no {path}")
        return
    rows = read_table(path, separator=";", skipped=("datetime",)).rows
    print(f"  SKAB, anomaly-free: {len(rows)} rows at 1 Hz, all normal; judged are the rows after the training rows")
    for kind in ("auto", "pca"):
        short = [
            _called(kind, rows[first : first + 400], rows[first + 400 : first + 400 + _JUDGED_ROWS])
            for first in range(0, len(rows) - 400 - _JUDGED_ROWS + 1, _STRIDE_ROWS)
        ]
        _print_line(f"{kind}, 400 rows, {len(short)} starts", short)
        half = len(rows) // 2
        _print_line(f"{kind}, {half} rows", [_called(kind, rows[:half], rows[half:])])


def _called(kind: str, training: Floats, later: Floats) -> tuple[float, float]:
    detection = Detector(kind).fit(training).detect(later, context=training)
    return float(detection.labels.mean()), len(detection.episodes()) / len(later) * _DAY_S


def _print_line(name: str, called: Iterable[tuple[float, float]]) -> None:
    shares, alarms = (np.array(values) for values in zip(*called, strict=True))
    print(
        f"  {name:34s} rows called: mean {100 * shares.mean():5.1f} %, median {100 * np.median(shares):5.1f} %,"
        f" most {100 * shares.max():5.1f} %; alarms a day {alarms.mean():.0f}"
    )
