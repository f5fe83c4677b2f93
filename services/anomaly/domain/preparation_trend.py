"""Lasting rises and falls: told on the card, and never taken out.

A detector that follows a trend follows a fault that grows. And a line does not know when to end: for most sensors of
pumps and servers (SKAB, SMD) whose rise was confirmed once, it was further off than the mean in the block after that.
"""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats, Times

# Share of the variance of later rows about the earlier mean that a line has to explain before it is told.
_LEAST_GAIN = 0.2


@dataclass(frozen=True, slots=True)
class Trend:
    """A lasting rise or fall of one sensor that later rows confirm.

    Parameters
    ----------
    change
        Over the rows it was fitted on [unit of the sensor].
    gain
        Share of the later rows' variance about the earlier mean that the line explains.
    """

    sensor: int
    change: float
    gain: float


def find_trends(rows: Floats, times: Times, fitted_rows: int) -> tuple[Trend, ...]:
    """Sensors whose line through the first `fitted_rows` rows foretells the later ones better than their mean does."""
    early, late = rows[:fitted_rows], rows[fitted_rows:]
    if len(early) < 2 or not len(late):
        return ()
    clock = (times - times[0]) / float(times[fitted_rows - 1] - times[0])
    centred = clock[:fitted_rows] - clock[:fitted_rows].mean()
    changes = centred @ (early - early.mean(axis=0)) / (centred @ centred)
    beyond = late - early.mean(axis=0)
    line = np.outer(clock[fitted_rows:] - clock[:fitted_rows].mean(), changes)
    gains = explained_share((beyond**2).mean(axis=0), ((beyond - line) ** 2).mean(axis=0), (rows**2).mean(axis=0))
    return tuple(Trend(i, float(changes[i]), float(gains[i])) for i in np.flatnonzero(gains >= _LEAST_GAIN).tolist())


def explained_share(before: Floats, after: Floats, size: Floats) -> Floats:
    """`(c,)` share of a mean square that is explained; `size` is the mean square of the sensors themselves."""
    # Below this share of a sensor's own size there is only rounding.
    moving = before > 1e-24 * size
    return np.where(moving, 1.0 - after / np.where(moving, before, 1.0), 0.0)
