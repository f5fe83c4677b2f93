"""How far recent residuals lie to one side, and how much of that may be chance."""

import math
from collections.abc import Sequence

# The newest residuals that count: few enough to follow a step, many enough to add little noise of their own.
BIAS_ROWS = 50
FEWEST_ROWS = 5


def shrunken_bias(residuals: Sequence[float]) -> float:
    """The mean of the middle half, drawn towards zero by what chance alone would bring.

    A quarter of the residuals on each side, outliers among them, cannot move it further than their neighbours do.

    Parameters
    ----------
    residuals
        Actual minus predicted, without any correction, newest last [unit of the target]; the last `BIAS_ROWS` count,
        and fewer than `FEWEST_ROWS` tell nothing.

    References
    ----------
    .. [1] Tukey & McLaughlin (1963), Less Vulnerable Confidence and Significance Procedures for Location, Sankhyā A 25
       (trimmed mean with the winsorised variance)
    .. [2] Efron & Morris (1973), Stein's Estimation Rule and Its Competitors, JASA 68 (positive-part shrinkage)

    Examples
    --------
    >>> round(shrunken_bias([2.0, 2.1, 1.9, 2.0, 2.1, 1.9, 2.0, 90.0]), 2)
    2.02
    """
    recent = sorted(residuals[-BIAS_ROWS:])
    count = len(recent)
    if count < FEWEST_ROWS:
        return 0.0
    cut = count // 4
    middle = recent[cut : count - cut]
    mean = sum(middle) / len(middle)
    winsorised = [middle[0]] * cut + middle + [middle[-1]] * cut
    centre = sum(winsorised) / count
    deviation = math.fsum((value - centre) ** 2 for value in winsorised) / (count - 1)
    variance_of_mean = deviation / (count * (len(middle) / count) ** 2)
    if mean * mean <= variance_of_mean:
        return 0.0
    return mean * (1.0 - variance_of_mean / (mean * mean))
