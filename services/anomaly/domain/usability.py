"""Why a row has no score: every row without one says so."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from services.anomaly.domain.arrays import Labels


class Reason(IntEnum):
    """What keeps a row from being scored; `USABLE` where nothing does.

    A detector scores a row by the rows before it. `WARM_UP`: those were not given. `AFTER_GAP`: something lies between
    them and the row, and what is scored would be half before it and half after. `MISSING`: readings are missing that
    must not be guessed. `MACHINE_OFF`: the machine stands still or has just been started.
    """

    USABLE = 0
    WARM_UP = 1
    AFTER_GAP = 2
    MISSING = 3
    MACHINE_OFF = 4

    @property
    def word(self) -> str:
        """The reason as answers and cards write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class UnusableRows:
    """Consecutive rows without a score, for one reason; `start` and `end` are positions, both included."""

    start: int
    end: int
    reason: Reason


def unusable_rows(reasons: Labels) -> tuple[UnusableRows, ...]:
    """Runs of rows that have no score for the same reason.

    Parameters
    ----------
    reasons
        `(n,)` codes of `Reason`.

    Examples
    --------
    >>> [(run.start, run.end, run.reason.word) for run in unusable_rows(np.array([1, 1, 0, 3], np.int8))]
    [(0, 1, 'warm_up'), (3, 3, 'missing')]
    """
    starts = np.flatnonzero(np.diff(reasons, prepend=-1))
    ends = np.append(starts, len(reasons))[1:] - 1
    return tuple(
        UnusableRows(start, end, Reason(int(reasons[start])))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if reasons[start] != Reason.USABLE
    )
