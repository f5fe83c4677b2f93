"""From what a model could not explain to one number a row, and to each sensor's share of it.

Every detector of the suite has the same two parts: a model that turns a window into the residual of its newest row,
and a head that turns residuals into a score. The score is defined as the sum of the contributions, so an explanation
can never disagree with the alarm it explains.
"""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.windows import causal_mean


@dataclass(frozen=True, slots=True)
class Head:
    """Squares of a linear map of the causally smoothed residual, one square a sensor.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean of the residuals; 1 leaves them as they are.
    centre
        `(c,)` normal mean of the smoothed residual [standard deviations].
    transform
        `(c, c)`; column `j` gives the part of sensor `j`.
    """

    smoothing_rows: int
    centre: Floats
    transform: Floats

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
        smooth = causal_mean(residuals, self.smoothing_rows)
        return np.asarray(((smooth - self.centre) @ self.transform) ** 2)


def error_head(sensors: int) -> Head:
    """Mean squared residual of a single row: the raw reconstruction error of the textbooks."""
    return Head(1, np.zeros(sensors), np.eye(sensors) / np.sqrt(sensors))


def score(contributions: Floats) -> Floats:
    """`(n,)` scores of `(n, c)` contributions."""
    return np.asarray(contributions.sum(axis=1))
