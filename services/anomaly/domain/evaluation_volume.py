"""VUS-PR: average precision that forgives small shifts of the labels, without a parameter to tune it by."""

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation_events import runs

LONGEST_BUFFER_ROWS = 100
THRESHOLDS = 250


def vus_pr(
    truth: Labels,
    scores: Floats,
    *,
    longest_buffer_rows: int = LONGEST_BUFFER_ROWS,
    thresholds: int = THRESHOLDS,
) -> float:
    """Volume under the surface of precision over recall over buffer length [1].

    Each fault is widened on both sides by half a buffer, with weights that fall from 1; recall is multiplied by the
    share of faults that any row was found of. The area under that curve is averaged over all buffer lengths from 0 to
    the longest. Equal to the authors' implementation, which is cubic; here each buffer length costs two running sums.

    Parameters
    ----------
    truth
        `(n,)` of 0 and 1, in time order.
    scores
        `(n,)`, every one a number.
    longest_buffer_rows
        At least 0; the figure depends on it a little, so compare only like with like.
    thresholds
        How many thresholds the curve is drawn through, evenly spaced in rank; as in [1].

    Returns
    -------
    float
        From 0 to 1; NaN without anomalous rows.

    References
    ----------
    .. [1] Paparrizos et al. (2022), Volume under the surface: a new accuracy evaluation measure for time-series anomaly
       detection, PVLDB 15(11), doi:10.14778/3551793.3551830

    Examples
    --------
    >>> truth = np.array([0, 0, 0, 1, 1, 0, 0, 0], np.int8)
    >>> late = np.array([0, 0, 0, 0, 1, 1, 0, 0.0])
    >>> [round(vus_pr(truth, late, longest_buffer_rows=rows), 3) for rows in (0, 2, 8)]
    [0.375, 0.495, 0.763]
    """
    faults = runs(truth)
    if not faults:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    limits = ranked[np.linspace(0, len(scores) - 1, thresholds).astype(np.intp)]
    # Rows with equal scores are called together.
    called = np.searchsorted(-ranked, -limits, side="right")
    normal = truth[order] != 1
    areas = [
        _area(
            _weights(truth, faults, buffer_rows)[order],
            normal,
            called,
            _found_share(scores, faults, buffer_rows, limits),
        )
        for buffer_rows in range(longest_buffer_rows + 1)
    ]
    return float(np.mean(areas))


def _area(weights: Floats, normal: np.ndarray, called: np.ndarray, found_share: Floats) -> float:
    """Area under precision over recall; `weights` and `normal` in the order of falling scores."""
    hits = np.cumsum(weights)[called - 1]
    # What is found beside a fault counts as found, and half of it as having been there to find: recall stays near 1.
    beside = np.cumsum(np.where(normal, weights, 0.0))[called - 1]
    wanted = float((~normal).sum()) + beside / 2.0
    recall = np.minimum(hits / wanted, 1.0) * found_share
    return float(np.sum(np.diff(recall, prepend=0.0) * hits / called))


def _weights(truth: Labels, faults: list[tuple[int, int]], buffer_rows: int) -> Floats:
    """`(n,)`: 1 in a fault, falling beside it."""
    weights = (truth == 1).astype(np.float64)
    fall = np.sqrt(1.0 - np.arange(1, buffer_rows // 2 + 1) / max(buffer_rows, 1))
    for start, stop in faults:
        after = weights[stop : stop + len(fall)]
        after += fall[: len(after)]
        before = weights[max(start - len(fall), 0) : start]
        before += fall[: len(before)][::-1]
    return np.asarray(np.minimum(weights, 1.0))


def _found_share(scores: Floats, faults: list[tuple[int, int]], buffer_rows: int, limits: Floats) -> Floats:
    """Share of the widened faults with a row at or above each limit; those that touch are one."""
    half = buffer_rows // 2
    wide: list[list[int]] = []
    for start, stop in faults:
        if wide and wide[-1][1] > start - half:
            wide[-1][1] = stop + half
        else:
            wide.append([max(start - half, 0), stop + half])
    peaks = np.sort([scores[start:stop].max() for start, stop in wide])
    return np.asarray((len(peaks) - np.searchsorted(peaks, limits, side="left")) / len(peaks))
