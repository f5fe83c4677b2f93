"""What makes every figure of a model too good: features that know the target, and rows that know their neighbours."""

from collections.abc import Iterator

import numpy as np

from services.twin.packaging.dataset import Dataset
from services.twin.packaging.reference import Vector

_COPY = 0.999
# Neighbours in the file resemble each other this much (correlation) only where their order means something.
_NEIGHBOURS = 0.3
_FEWEST = 3
_CLASSES = 2


def suspicions(data: Dataset) -> Iterator[str]:
    """Sentences about what a person should look at before trusting the model."""
    for name, column in zip(data.names, data.rows.T, strict=True):
        if np.array_equal(column, data.values):
            yield f"{name}: the same as the target in every row; a model must not be given what it shall predict"
        elif abs(correlation := _correlation(column, data.values)) > _COPY:
            yield (
                f"{name}: follows the target almost exactly (correlation {correlation:.4f}); is it known before the "
                f"target is?"
            )
        if len(np.unique(column)) == len(column) and _is_monotonic(column):
            yield f"{name}: only ever {'rises' if column[-1] > column[0] else 'falls'} along the file; is it a counter?"
    if len(np.unique(data.values)) == _CLASSES:
        yield "the target has only two values: it tells classes apart, and an interval around it says little"
    if data.time_s is None and data.groups is None:
        alike = _correlation(data.values[1:], data.values[:-1])
        if alike > _NEIGHBOURS:
            yield (
                f"neighbouring rows have similar targets (correlation {alike:.2f}) and were split by chance: if "
                f"the rows are in order of time or in batches, name the column (time or "
                f"group), or these figures are too good"
            )


def _correlation(first: Vector, second: Vector) -> float:
    if len(first) < _FEWEST or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _is_monotonic(values: Vector) -> bool:
    steps = np.diff(values)
    return bool(np.all(steps > 0) or np.all(steps < 0))
