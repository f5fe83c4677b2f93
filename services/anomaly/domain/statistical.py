"""Heads fitted by statistics alone: Mahalanobis distance and principal components.

On multivariate plant data these two beat most networks, in a fraction of a second, when the residuals are smoothed
first: noise averages out, a small lasting shift does not.
"""

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scores import Head
from services.anomaly.domain.windows import causal_mean

# A smoothed sensor that moved less than this [standard deviations of the raw sensor] counts as having moved this much:
# white noise averaged over 30 rows still moves by 0.18, so only sensors that stood still are touched.
_LEAST_SPREAD = 0.05


def mahalanobis_head(residuals: Floats, *, smoothing_rows: int, eigenvalue_floor: float) -> Head:
    """Squared Mahalanobis distance of the smoothed residual, partitioned among the sensors.

    The partition is the cor-max transformation: uncorrelated parts, each as close as can be to its own sensor; the
    squares are not negative and add up to the distance exactly.

    Parameters
    ----------
    residuals
        `(n, c)` of normal rows; n at least `smoothing_rows`.
    smoothing_rows
        Rows in the causal mean; the covariance is that of the *smoothed* residuals.
    eigenvalue_floor
        Smallest eigenvalue of the correlation matrix that is believed [1]. A direction in which a few hundred
        correlated rows happen not to move would otherwise turn the least later movement into an alarm.

    References
    ----------
    .. [1] Garthwaite & Koch (2016), Evaluating the contributions of individual variables to a quadratic form,
       Australian & New Zealand Journal of Statistics 58(1)
    .. [2] Mahalanobis (1936), On the generalised distance in statistics
    """
    centre, spread, values, vectors = _correlation(residuals, smoothing_rows)
    root = vectors @ np.diag(np.maximum(values, eigenvalue_floor) ** -0.5) @ vectors.T
    return Head(smoothing_rows, centre, root / spread[:, None])


def pca_head(residuals: Floats, *, smoothing_rows: int, variance: float) -> Head:
    """Hotelling's T² inside the principal plane plus the squared distance from it (SPE), in one number.

    Both are read in units of normal variance: a component by its own eigenvalue, the rest by the mean of the discarded
    ones. That is the distance of probabilistic PCA, and the combined index of process monitoring.

    Parameters
    ----------
    residuals
        `(n, c)` of normal rows; n at least `smoothing_rows`.
    variance
        Share of the variance that the kept components explain, in (0, 1) [1].

    References
    ----------
    .. [1] Tipping & Bishop (1999), Probabilistic principal component analysis, J. R. Statist. Soc. B 61(3)
    .. [2] Yue & Qin (2001), Reconstruction-based fault identification using a combined index, Ind. Eng. Chem. Res. 40
    """
    centre, spread, values, vectors = _correlation(residuals, smoothing_rows)
    share = np.cumsum(values[::-1]) / values.sum()
    kept = min(int(np.searchsorted(share, variance)) + 1, len(values))
    rest = values[: len(values) - kept]
    # A plane that explains everything leaves nothing to measure by; the floor only guards the division.
    discarded = max(float(rest.mean()) if len(rest) else 0.0, float(np.finfo(float).eps))
    believed = np.where(np.arange(len(values)) < len(rest), discarded, np.maximum(values, discarded))
    root = vectors @ np.diag(believed**-0.5) @ vectors.T
    return Head(smoothing_rows, centre, root / spread[:, None])


def _correlation(residuals: Floats, smoothing_rows: int) -> tuple[Floats, Floats, Floats, Floats]:
    smooth = causal_mean(residuals, smoothing_rows)
    centre = smooth.mean(axis=0)
    spread = np.maximum(smooth.std(axis=0), _LEAST_SPREAD)
    standard = (smooth - centre) / spread
    correlation = standard.T @ standard / len(standard)
    # A sensor that stood still counts as having moved that much too, on its own: no direction is left without spread.
    np.fill_diagonal(correlation, np.maximum(np.diag(correlation), 1.0))
    values, vectors = np.linalg.eigh(correlation)
    return centre, spread, np.asarray(values), np.asarray(vectors)
