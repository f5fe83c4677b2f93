"""Each sensor in units of its own normal spread."""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats

# A sensor that never moved has no spread to measure by: one percent of its value stands in for it.
_CONSTANT_SHARE = 0.01
# Below this share of its value, a spread is rounding, not movement (double precision carries 16 digits).
_ROUNDING_SHARE = 1e-12
# No reading is this small in any unit, as none is above 1e30: between the two, squares of scaled readings stay numbers.
_LEAST_SPREAD = 1e-30


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean and spread of every sensor on the rows a detector was fitted on.

    Parameters
    ----------
    mean, scale
        `(c,)` [unit of the sensor]; every scale is above 0.
    constant
        Positions of the sensors that did not move; their scale is a stand-in.
    """

    mean: Floats
    scale: Floats
    constant: tuple[int, ...]

    def apply(self, rows: Floats) -> Floats:
        """Rows in standard deviations from the mean; any leading shape."""
        return np.asarray((rows - self.mean) / self.scale)


def fit_scaling(rows: Floats) -> Scaling:
    """Measure mean and standard deviation of each column.

    Parameters
    ----------
    rows
        `(n, c)` with n at least 1.

    Examples
    --------
    >>> fit_scaling(np.array([[1.0, 5.0], [3.0, 5.0]]))
    Scaling(mean=array([2., 5.]), scale=array([1.  , 0.05]), constant=(1,))
    """
    mean = rows.mean(axis=0)
    spread = rows.std(axis=0)
    still = spread <= np.maximum(_ROUNDING_SHARE * np.abs(mean), _LEAST_SPREAD)
    share = _CONSTANT_SHARE * np.abs(mean)
    stand_in = np.where(share > _LEAST_SPREAD, share, 1.0)
    return Scaling(mean, np.where(still, stand_in, spread), tuple(int(i) for i in np.flatnonzero(still)))


@dataclass(frozen=True, slots=True)
class ScalingModel:
    """The residual model of the statistical detectors: a row explains nothing of itself but its mean."""

    scaling: Scaling
    window_rows: int = 1

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` scaled rows of `(b, 1, c)` windows."""
        return self.scaling.apply(batch[:, -1])
