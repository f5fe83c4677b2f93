"""A small linear model of the target that does without the features it is not given.

It keeps how features and target vary together, not one set of coefficients: the best line for any part of the features
follows from that, so a Bad value is left out and not guessed. Its intervals come from a few held-out rows that travel
with it, because every set of features has errors of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs, calibrate

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Features that say the same share their coefficient instead of cancelling in ever larger ones. In units of the variance
# of a standardised feature: far above rounding, far below anything that a sensor's noise leaves to tell.
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class LinearSurrogate:
    """Means and covariances of features and target, and held-out rows.

    Parameters
    ----------
    mean, scale
        `(f,)` of the features; the scale of one that never varied is 1.
    correlation
        `(f, f)` covariance of the standardised features [1].
    link
        `(f,)` covariance of the standardised features with the target [unit of the target].
    target_mean
        Mean of the target [unit of the target].
    rows, target
        `(m, f)` and `(m,)`: rows that all of the above never saw; they calibrate the intervals.

    References
    ----------
    .. [1] Anderson (2003), An Introduction to Multivariate Statistical Analysis, 3rd ed., section 2.5 (the regression
       on any part of jointly normal variables)
    """

    mean: Vector
    scale: Vector
    correlation: Matrix
    link: Vector
    target_mean: float
    rows: Matrix
    target: Vector

    def predict(self, values: Sequence[float | None], level: float) -> tuple[float, float, float]:
        """Prediction, lower and upper end from the values that are there [unit of the target].

        Parameters
        ----------
        values
            In the order of the features; `None` is left out. With none at all the answer is the mean of the target.

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If the held-out rows give no interval of this level.
        """
        used = np.array([value is not None for value in values], np.bool_)
        row = np.array([[0.0 if value is None else value for value in values]])
        prediction, lower, upper = self.predict_many(row, used, level)
        return float(prediction[0]), float(lower[0]), float(upper[0])

    def predict_many(self, rows: Matrix, used: Mask, level: float) -> tuple[Vector, Vector, Vector]:
        """The same for `(n, f)` rows that all have the same features `(f,)`; three arrays `(n,)`."""
        coefficients = self.coefficients(used)
        outputs = Outputs(self._line(rows, coefficients))
        lower, upper = self._calibration(coefficients).bounds(outputs, level)
        return outputs.prediction, lower, upper

    def coefficients(self, used: Mask) -> Vector:
        """Of each standardised feature, `(f,)` [unit of the target]; 0 for those that are not used."""
        coefficients = np.zeros(len(self.mean))
        if used.any():
            part = self.correlation[np.ix_(used, used)] + _RIDGE * np.eye(int(used.sum()))
            coefficients[used] = np.linalg.solve(part, self.link[used])
        return coefficients

    def _calibration(self, coefficients: Vector) -> Calibration:
        return calibrate(IntervalMethod.SPLIT, Outputs(self._line(self.rows, coefficients)), self.target)

    def _line(self, rows: Matrix, coefficients: Vector) -> Vector:
        line: Vector = ((rows - self.mean) / self.scale) @ coefficients + self.target_mean
        return line


def learn_surrogate(rows: Matrix, target: Vector, held_out_rows: Matrix, held_out_target: Vector) -> LinearSurrogate:
    """Learn from `(n, f)` rows and `(n,)` targets; calibrate with the held-out ones; all values finite."""
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    # A feature that never varied has a standard deviation of rounding only, and says nothing about the target.
    varies = std > np.finfo(np.float64).eps * np.maximum(np.abs(mean), np.abs(rows).max(axis=0)) * len(rows)
    scale = np.where(varies, std, 1.0)
    standardised = np.where(varies, (rows - mean) / scale, 0.0)
    target_mean = float(target.mean())
    return LinearSurrogate(
        mean=mean,
        scale=scale,
        correlation=standardised.T @ standardised / len(rows),
        link=standardised.T @ (target - target_mean) / len(rows),
        target_mean=target_mean,
        rows=held_out_rows,
        target=held_out_target,
    )
