"""A limit beyond the highest score ever seen, by extreme value theory."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.thresholds import Threshold, check_setting

# The tail begins where a tenth of the stretches reach higher.
_TAIL_SHARE = 0.1
# Two parameters from fewer excesses than this are noise.
_LEAST_EXCESSES = 10
# Between these, moments of a generalised Pareto distribution exist and its tail has no end: a bounded tail fitted to
# few excesses ends just above the highest of them.
_LIGHTEST, _HEAVIEST = 0.0, 0.5


@dataclass(frozen=True, slots=True)
class PeaksOverThreshold:
    """The limit that the highest score of a stretch of normal rows exceeds with an asked probability [1].

    A stretch is as long as a score looks back, so that scores a stretch apart share no reading. The excesses of their
    highest scores over a high level follow a generalised Pareto distribution whatever the scores do below; it is
    fitted by probability-weighted moments [2], which beat maximum likelihood with few excesses.

    References
    ----------
    .. [1] Siffer et al. (2017), Anomaly Detection in Streams with Extreme Value Theory, KDD
    .. [2] Hosking & Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution
    """

    method: ClassVar[str] = "pot"
    risk: float = 1e-3

    def __post_init__(self) -> None:
        check_setting(self.method, "risk", self.risk, 0.0, _TAIL_SHARE)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return math.ceil(_LEAST_EXCESSES / _TAIL_SHARE)

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit.

        Raises
        ------
        TooFewRows
            With fewer than 100 independent scores.
        """
        held_out.require(self.independent_needed, "peaks over threshold")
        highest = held_out.peaks
        level = float(np.quantile(highest, 1.0 - _TAIL_SHARE))
        excesses = np.sort(highest[highest > level] - level)
        shape, scale = _pareto(excesses)
        # Ties at the level can leave fewer excesses than the tail's share, or none.
        share = len(excesses) / len(highest)
        value = level + (_excess(min(self.risk / share, 1.0), shape, scale) if share else 0.0)
        evidence = {
            **held_out.evidence(),
            "stretch_rows": held_out.spacing_rows,
            "tail_level": level,
            "excesses": len(excesses),
            "shape": shape,
            "scale": scale,
        }
        return Threshold(max(value, float(np.finfo(np.float32).eps)), {"method": "pot", "risk": self.risk}, evidence)


def _pareto(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, from sorted excesses."""
    n = len(excesses)
    if n == 0:
        return 0.0, 0.0
    first = float(excesses.mean())
    weighted = float(((1.0 - (np.arange(1, n + 1) - 0.35) / n) * excesses).mean())
    apart = first - 2.0 * weighted
    shape = _HEAVIEST if apart <= 0.0 else min(max(2.0 - first / apart, _LIGHTEST), _HEAVIEST)
    # The scale that keeps the mean, so that a shape that was cut still fits it.
    return shape, first * (1.0 - shape)


def _excess(tail: float, shape: float, scale: float) -> float:
    """The excess that a share `tail` of the excesses is above."""
    if shape < 1e-9:
        return -scale * math.log(tail)
    return scale / shape * (math.pow(tail, -shape) - 1.0)
