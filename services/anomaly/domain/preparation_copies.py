"""Sensors that measure the same thing: counted once, and watched for disagreement.

Two copies of a sensor make the covariance singular. Left in, they count twice in a distance; and when they drift apart
by rounding, in a direction in which normal rows never moved at all, the distance explodes. So a copy is replaced by how
far it is from its original. In normal rows that is nothing, and beyond a tolerance it is a fault: one of two sensors
that always agreed no longer does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scaling import Scaling

# Share of a copy's spread that it may differ by (standard deviation) and still be a copy: more than rounding leaves
# between equal sensors, less than two sensors of one quantity have noise of their own.
_COPY_SHARE = 0.01
# A copy that never differed has no spread to measure its disagreement by; this share of its own stands in, for all.
_TOLERANCE_SHARE = 0.02
# Enough rows to see who might be a copy; whoever might be is then measured on all of them.
_GLANCE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Copy:
    """A sensor that is `offset + slope * original`, up to rounding.

    Parameters
    ----------
    original, copy
        Positions of the two sensors.
    spread
        What counts as one standard deviation of the disagreement [unit of the copy].
    """

    original: int
    copy: int
    slope: float
    offset: float
    spread: float


def find_copies(rows: Floats) -> tuple[Copy, ...]:
    """Every sensor that is a linear copy of an earlier one, on `(n, c)` finite rows.

    Examples
    --------
    >>> flow = np.arange(5.0)
    >>> [(c.original, c.copy, c.slope) for c in find_copies(np.column_stack((flow, 60 * flow, flow % 2)))]
    [(0, 1, 60.0)]
    """
    glance = _standard(rows[:: max(len(rows) // _GLANCE_ROWS, 1)])
    alike = np.triu(np.abs(glance.T @ glance) > len(glance) * (1.0 - _COPY_SHARE**2), k=1)
    found: list[Copy] = []
    copies: set[int] = set()
    for copy in np.flatnonzero(alike.any(axis=0)).tolist():
        alike[list(copies), copy] = False
        original = int(np.argmax(alike[:, copy]))
        relation = _relation(rows, original, copy) if alike[original, copy] else None
        if relation is not None:
            found.append(relation)
            copies.add(copy)
    return tuple(found)


def set_apart(rows: Floats, copies: Sequence[Copy]) -> Floats:
    """`(n, c)` rows in which a copy is how far it is from its original [unit of the copy]."""
    if not copies:
        return rows
    apart = rows.copy()
    for copy in copies:
        apart[:, copy.copy] -= copy.offset + copy.slope * rows[:, copy.original]
    return apart


def rescaled(scaling: Scaling, copies: Sequence[Copy]) -> Scaling:
    """The scaling with disagreements measured by their own yardstick: in normal rows there is nothing to measure."""
    if not copies:
        return scaling
    scale = scaling.scale.copy()
    scale[[copy.copy for copy in copies]] = [copy.spread for copy in copies]
    still = set(scaling.constant) - {copy.copy for copy in copies}
    return replace(scaling, scale=scale, constant=tuple(sorted(still)))


def share(contributions: Floats, copies: Sequence[Copy]) -> Floats:
    """Contributions of sensors that measure the same thing, in equal parts: which of them is wrong cannot be told."""
    shared = contributions.copy()
    for original in {copy.original for copy in copies}:
        alike = [original, *(copy.copy for copy in copies if copy.original == original)]
        shared[:, alike] = contributions[:, alike].mean(axis=1, keepdims=True)
    return shared


def _standard(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=0)
    spread = centred.std(axis=0)
    still = spread <= 1e-12 * np.abs(rows).max(axis=0, initial=0.0)
    return np.asarray(np.where(still, 0.0, centred / np.where(still, 1.0, spread)))


def _relation(rows: Floats, original: int, copy: int) -> Copy | None:
    one, other = rows[:, original], rows[:, copy]
    centred, spread = one - one.mean(), float(other.std())
    slope = float(centred @ (other - other.mean()) / (centred @ centred))
    offset = float(other.mean() - slope * one.mean())
    if float((other - offset - slope * one).std()) > _COPY_SHARE * spread:
        return None
    return Copy(original, copy, slope, offset, _TOLERANCE_SHARE * spread)
