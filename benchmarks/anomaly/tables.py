"""Tables of numbers as the public data has them: gzip-compressed CSV with a line of names."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels

_TRUTH = "label"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows and, where the file has it, their truth; without it every row is normal."""

    rows: Floats
    truth: Labels


def read_table(path: Path, *, separator: str = ",", skipped: tuple[str, ...] = ()) -> Labelled:
    """Read `(n, c)` rows; `skipped` columns hold no numbers."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        names = file.readline().strip().split(separator)
        used = [i for i, name in enumerate(names) if name not in skipped]
        table = np.loadtxt(file, delimiter=separator, usecols=used, ndmin=2)
    kept = [names[i] for i in used]
    sensors = [i for i, name in enumerate(kept) if name != _TRUTH]
    truth = table[:, kept.index(_TRUTH)] if _TRUTH in kept else np.zeros(len(table))
    return Labelled(np.ascontiguousarray(table[:, sensors]), truth.astype(np.int8))
