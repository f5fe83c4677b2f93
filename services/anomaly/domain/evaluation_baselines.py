"""What needs no detector: figures that a detector has to beat before they mean anything.

Each is judged as the detector is. Those that could raise any number of alarms raise as many as the detector does, file
by file, so that they differ from it in *which* rows they call and in nothing else.
"""

import zlib
from collections.abc import Sequence
from math import nan

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation import Confusion
from services.anomaly.domain.evaluation_verdict import LabelledRows, Verdict

MEAN_ROWS = 60


def random_rows(file: LabelledRows, alarms: int) -> Verdict:
    """What to expect of `alarms` rows drawn at random: the exact mean over all draws, not one of them."""
    anomalous = int((file.truth == 1).sum())
    rows = len(file.truth)
    hits = alarms * anomalous / rows if rows else 0.0
    table = Confusion(hits, alarms - hits, anomalous - hits, rows - anomalous - alarms + hits)
    return Verdict(table, table.f1, None, None, 0.5, anomalous / rows if rows else nan, nan)


def mean_deviation(file: LabelledRows, mean: Floats, std: Floats) -> Floats:
    """`(n,)`: mean over the last 60 rows of the sum of |z| over the sensors; no model at all.

    Parameters
    ----------
    mean, std
        `(c,)` of the training rows [unit of the sensor]; a sensor that did not move there is left out.
    """
    moves = std > 0
    before = file.context[len(file.context) - min(len(file.context), MEAN_ROWS - 1) :]
    rows = np.concatenate((before, file.rows))[:, moves]
    deviation = np.nan_to_num(np.abs((rows - mean[moves]) / std[moves])).sum(axis=1)
    total = np.concatenate(([0.0], np.cumsum(deviation)))
    last = np.arange(len(before), len(rows)) + 1
    first = np.maximum(last - MEAN_ROWS, 0)
    return np.asarray((total[last] - total[first]) / (last - first))


def highest(scores: Floats, alarms: int) -> Labels:
    """`(n,)` labels of the rows with the highest scores.

    Examples
    --------
    >>> highest(np.array([3.0, 1.0, 2.0]), 2).tolist()
    [1, 0, 1]
    """
    labels = np.zeros(len(scores), np.int8)
    labels[np.argsort(-scores, kind="stable")[:alarms]] = 1
    return labels


def usual_rows(files: Sequence[LabelledRows], own: int) -> tuple[int, int] | None:
    """Where the anomalous rows lie in the other files: mean first row, and mean row after the last.

    A detector that has merely learned when faults begin in a collection of recordings does as well as this rule. None
    where no other file has anomalous rows.
    """
    places = [np.flatnonzero(file.truth == 1) for index, file in enumerate(files) if index != own]
    known = [place for place in places if len(place)]
    if not known:
        return None
    first, last = np.mean([place[0] for place in known]), np.mean([place[-1] + 1 for place in known])
    return round(float(first)), round(float(last))


def same_rows(file: LabelledRows, usual: tuple[int, int]) -> Labels:
    """`(n,)` labels of a rule that counts rows from the first it sees."""
    labels = np.zeros(len(file.truth), np.int8)
    labels[usual[0] : usual[1]] = 1
    return labels


def late_start_rows(name: str, longest: int) -> int:
    """How many rows are dropped at the start of a file: from 0 to `longest`, always the same for one name."""
    return int(np.random.default_rng(zlib.crc32(name.encode())).integers(0, longest + 1))
