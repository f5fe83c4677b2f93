"""How bad an anomaly is, on a scale that means the same for every detector: how rare among normal rows."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.held_out import HeldOut

# Enough steps to draw a distribution by, few enough that a row costs nothing.
_MOST_STEPS = 256
_NOTHING = float(np.finfo(np.float32).eps)


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class SeverityScale:
    """Severity by how rarely normal rows score as high.

    The rarity `r` of a score is minus the logarithm of the share of normal rows that reach it: 1 more is e times rarer.
    Up to the highest held-out score that share is the conformal p-value [1] of a new row; beyond, it falls by the
    exponential tail whose mean excess held-out peaks show. One peak more, as far out as the highest score itself, is
    counted among them: with few independent scores little is claimed, with many it does not matter.

    Below the limit, severity is `r / (2 r_limit)`: 0.25 is half as rare, in powers, as a row at the limit. Above, it is
    `1 - 1 / (2 (1 + r - r_limit))`: 0.75 is e times rarer than a row at the limit, 0.9 is e^4 (55) times. It says how
    unlike normal a row is. Without examples of faults it is no probability of one, nor a measure of damage.

    Parameters
    ----------
    scores
        `(k,)` held-out scores, increasing, above 0. With none, rarity is taken to grow with the score: half the score
        of the limit is 0.25, twice is 0.75.
    rarities
        `(k,)` of these, increasing, above 0.
    tail_scale
        By how much the score grows where it gets e times rarer, beyond the highest of them.

    References
    ----------
    .. [1] Vovk et al. (2005), Algorithmic Learning in a Random World

    Examples
    --------
    >>> SeverityScale().of(np.array([0.0, 1.0, 2.0, 4.0]), limit=2.0).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """

    scores: Floats = field(default_factory=_none)
    rarities: Floats = field(default_factory=_none)
    tail_scale: float = 1.0

    @classmethod
    def calibrated(cls, held_out: HeldOut) -> Self:
        """The scale of a detector, from scores of later normal rows by what was fitted before them."""
        # A score of nearly nothing is the rounding of a plant that stood still.
        counted = np.where(held_out.counted < _NOTHING, 0.0, held_out.counted)
        values, counts = np.unique(counted, return_counts=True)
        # Equal scores share the middle of their ranks; those that are left out were higher than all of these.
        reached = 1.0 - (np.cumsum(counts) - counts / 2.0) / len(held_out.scores)
        independent = held_out.independent
        rarities = -np.log((1.0 + independent * reached) / (independent + 1.0))
        kept = _steps(len(values))
        kept = kept[values[kept] > 0.0]
        if not len(kept):
            return cls()
        highest = float(values[-1])
        peaks = np.minimum(held_out.peaks, highest)
        beyond = np.sort(peaks)[len(peaks) - len(peaks) // 2 :] - np.median(peaks)
        tail_scale = (highest + held_out.allowance * float(beyond.sum())) / (1.0 + len(beyond))
        return cls(values[kept], rarities[kept], tail_scale)

    def of(self, scores: Floats, limit: float) -> Floats:
        """Place scores on 0 to 1, with 0.5 at the limit.

        Parameters
        ----------
        scores
            Any shape, not negative; NaN stays NaN.
        limit
            The threshold in force, above 0; it may be any, also one set long after training.
        """
        at_limit = float(self._rarity(np.array([limit]), limit)[0])
        rarity = self._rarity(scores, limit)
        above = 1.0 - 0.5 / (1.0 + np.maximum(rarity - at_limit, 0.0))
        return np.where(scores <= limit, rarity / (2.0 * at_limit), above)

    def _rarity(self, scores: Floats, limit: float) -> Floats:
        if not len(self.scores):
            return scores / limit
        inside = np.interp(scores, np.append(0.0, self.scores), np.append(0.0, self.rarities))
        return np.asarray(inside + np.maximum(scores - self.scores[-1], 0.0) / self.tail_scale)


def _steps(values: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Positions of some of so many sorted values, the closer the higher, with the highest."""
    if values <= _MOST_STEPS:
        return np.arange(values)
    return np.asarray(np.unique(values - np.round(np.geomspace(1, values, _MOST_STEPS)).astype(np.intp)))
