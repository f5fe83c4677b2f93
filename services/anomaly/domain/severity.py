"""How bad an anomaly is, on a scale that means the same for every detector."""

import numpy as np

from services.anomaly.domain.arrays import Floats


def severity(scores: Floats, limit: float) -> Floats:
    """Place scores on 0 to 1 by the limit: half of it lies below the limit, half above.

    0 is a perfectly normal row, 0.5 is the limit, 0.75 is twice the limit, 0.95 is ten times. The scale is calibrated
    by the limit, which later normal rows set; without examples of faults it cannot be a probability.

    Parameters
    ----------
    scores
        Any shape, not negative; NaN stays NaN.
    limit
        The detector's threshold, above 0.

    Examples
    --------
    >>> severity(np.array([0.0, 1.0, 2.0, 4.0]), limit=2.0).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    above = 1.0 - limit / (2.0 * np.maximum(scores, limit))
    return np.where(scores <= limit, scores / (2.0 * limit), above)
