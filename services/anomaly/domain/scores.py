"""From what a model could not explain to one number a row, and to each sensor's share of it.

Every detector of the suite has the same two parts: a model that turns a window into the residual of its newest row,
and a head that turns residuals into a score. The score is defined as the sum of the contributions, so an explanation
can never disagree with the alarm it explains.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.windows import causal_mean


@dataclass(frozen=True, slots=True)
class Scale:
    """Squares of a linear map of the causally smoothed residual, one square a sensor.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean of the residuals; 1 leaves them as they are.
    centre
        `(c,)` normal mean of the smoothed residual [standard deviations].
    transform
        `(c, c)`; column `j` gives the part of sensor `j`. Or `(c,)`, where that is made of its own residual alone.
    averaged_rows
        Rows over which the squares are averaged in turn.
    """

    smoothing_rows: int
    centre: Floats
    transform: Floats
    averaged_rows: int = 1

    @property
    def rows(self) -> int:
        """Rows of residuals that one part looks at."""
        return self.smoothing_rows + self.averaged_rows - 1

    def contributions(self, residuals: Floats) -> Floats:
        """`(max(n - rows + 1, 0), c)` parts of `(n, c)` consecutive residuals."""
        apart = causal_mean(residuals, self.smoothing_rows) - self.centre
        mapped = apart * self.transform if self.transform.ndim == 1 else apart @ self.transform
        return causal_mean(np.asarray(mapped**2), self.averaged_rows)


@dataclass(frozen=True, slots=True)
class Head:
    """The sum of what several scales see, and of the newest such sums the highest.

    Parameters
    ----------
    scales
        At least one.
    hold_rows
        Rows for which the highest sum counts, with the parts that made it; 1 holds none.
    """

    scales: tuple[Scale, ...]
    hold_rows: int = 1

    @property
    def smoothing_rows(self) -> int:
        """Rows of residuals that one score looks at."""
        return max(scale.rows for scale in self.scales) + self.hold_rows - 1

    def contributions(self, residuals: Floats) -> Floats:
        """Each sensor's part of the score, never negative.

        Parameters
        ----------
        residuals
            `(n, c)` of consecutive rows, oldest first.

        Returns
        -------
        Floats
            `(max(n - smoothing_rows + 1, 0), c)`; a row's score is the sum over its sensors.
        """
        longest = max(scale.rows for scale in self.scales)
        total = np.zeros((max(len(residuals) - longest + 1, 0), residuals.shape[1]))
        for scale in self.scales:
            total += scale.contributions(residuals[longest - scale.rows :])
        return _held(total, self.hold_rows)


def error_head(sensors: int) -> Head:
    """Mean squared residual of a single row: the raw reconstruction error of the textbooks."""
    return Head((Scale(1, np.zeros(sensors), np.full(sensors, 1.0 / np.sqrt(sensors))),))


def score(contributions: Floats) -> Floats:
    """`(n,)` scores of `(n, c)` contributions."""
    return np.asarray(contributions.sum(axis=1))


def _held(contributions: Floats, rows: int) -> Floats:
    """Of each row and the `rows - 1` before it, the one with the highest score; of equal ones the newest."""
    if rows == 1 or len(contributions) < rows:
        return contributions[: max(len(contributions) - rows + 1, 0)]
    newest_first = sliding_window_view(score(contributions), rows)[:, ::-1]
    newest = np.arange(rows - 1, len(contributions))
    return np.asarray(contributions[newest - newest_first.argmax(axis=1)])
