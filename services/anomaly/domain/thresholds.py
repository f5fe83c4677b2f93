"""Where normal ends: limits set on held-out normal scores, without a single label.

Scores of neighbouring rows share raw readings, so `n` rows are worth only `n / spacing` independent ones, and fewer
where the plant itself is slow. Every rule counts those, corrects for how few they are, and refuses with the number of
rows it needs instead of promising a rate that the data cannot support.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.anomaly.domain.held_out import HeldOut
from shared.errors import JSON, AppError, Fault, Kind

# Probability that a limit for an asked false-positive rate really keeps it.
_FPR_CONFIDENCE = 0.9
# Below this many independent scores a standard deviation is itself uncertain by more than a sixth.
_SIGMA_LEAST = 20
# The margin of a plant whose sensors are perfectly steady: the fewer independent scores a held-out block holds, the
# likelier it is that later ones go beyond their highest; and the fewer sensors a score is the mean of, the further.
# Chosen on white noise of 1 to 30 sensors, on no plant.
_LEAST_MARGIN, _MOST_FOR_FEW, _FOR_FEW, _FOR_FEW_SENSORS = 1.25, 1.75, 1.5, 2.0


class RuleRefused(AppError):
    """A threshold rule has a setting outside its range, or lacks the labels it works on."""

    kind, code = Kind.INVALID, "anomaly.threshold_refused"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit and how it came about; a row is anomalous when its score is above it.

    Parameters
    ----------
    value
        Limit on the score.
    rule
        Method and settings, as given.
    evidence
        The figures behind it.
    """

    value: float
    rule: Mapping[str, JSON]
    evidence: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """The threshold as cards and answers state it."""
        return {"value": self.value, "rule": self.rule, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Margin:
    """A multiple of the highest held-out score: promises no rate, and works where a rate cannot be known.

    With 400 rows of training, smoothed scores leave two or three independent ones: no quantile above the median can be
    estimated. What can be said is how far normal operation went in a block the detector had not seen, and how much
    further it may go: by default as far as the sensors' unsteadiness in training lets expect. Scores are squares, as
    that allowance is.

    Of a long block the highest half percent is left out: a few rows of it that were not normal, of which nobody knew,
    would otherwise hide every fault that is smaller.

    Parameters
    ----------
    factor
        Over the highest held-out score; by default the allowance, but at least 1.25, where only m held-out scores are
        independent the lower of 1 + 1.5 / m and 1.75, and that 1 + 2 / (c² + 3) times with c sensors.
    """

    method: ClassVar[str] = "margin"
    factor: float | None = None

    def __post_init__(self) -> None:
        if self.factor is not None:
            check_setting(self.method, "factor", self.factor, 0.0, 1e6)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return 1

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit."""
        counted = held_out.counted
        left_out, highest = len(held_out.scores) - len(counted), float(counted[-1])
        factor = self._usual_factor(held_out) if self.factor is None else self.factor
        evidence = {**held_out.evidence(), "rows_left_out": left_out, "highest_counted": highest, "factor": factor}
        return Threshold(_positive(factor * highest), {"method": self.method, "factor": self.factor}, evidence)

    def _usual_factor(self, held_out: HeldOut) -> float:
        steady = max(min(1.0 + _FOR_FEW / held_out.independent, _MOST_FOR_FEW), _LEAST_MARGIN)
        if held_out.sensors is not None:
            steady *= 1.0 + _FOR_FEW_SENSORS / (held_out.sensors**2 + 3.0)
        return max(held_out.allowance, steady)


@dataclass(frozen=True, slots=True)
class Percentile:
    """The limit that a new normal row exceeds with probability 1 - q/100 at most, on average over training sets [1].

    References
    ----------
    .. [1] Vovk et al. (2005), Algorithmic Learning in a Random World: the (n + 1) correction of conformal prediction
    """

    method: ClassVar[str] = "percentile"
    q: float = 95.0

    def __post_init__(self) -> None:
        check_setting(self.method, "q", self.q, 0.0, 100.0)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return math.ceil(self.q / (100.0 - self.q) - 1e-9)

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit.

        Raises
        ------
        TooFewRows
            With fewer than `q / (100 - q)` independent scores: 95 needs 19.
        """
        held_out.require(self.independent_needed, f"the percentile {self.q:g}")
        level = self.q / 100.0
        rank = math.ceil((held_out.independent + 1) * level - 1e-9)
        evidence = {**held_out.evidence(), "corrected_percentile": 100.0 * rank / held_out.independent}
        return Threshold(_positive(held_out.at_rank(rank)), {"method": self.method, "q": self.q}, evidence)


@dataclass(frozen=True, slots=True)
class Sigma:
    """Mean plus k standard deviations of the held-out scores, widened for the uncertainty of both.

    It reads as a rate only if scores are normally distributed; they seldom are.
    """

    method: ClassVar[str] = "sigma"
    k: float = 3.0

    def __post_init__(self) -> None:
        check_setting(self.method, "k", self.k, 0.0, 100.0)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return _SIGMA_LEAST

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit.

        Raises
        ------
        TooFewRows
            With fewer than 20 independent scores.
        """
        held_out.require(self.independent_needed, "mean plus k sigma")
        mean, spread = float(held_out.scores.mean()), float(held_out.scores.std())
        # A new row differs from the estimated mean by the spread of both (a prediction interval).
        widened = self.k * math.sqrt(1.0 + 1.0 / held_out.independent)
        evidence = {**held_out.evidence(), "mean": mean, "standard_deviation": spread, "widened_k": widened}
        return Threshold(_positive(mean + widened * spread), {"method": self.method, "k": self.k}, evidence)


@dataclass(frozen=True, slots=True)
class FalsePositiveRate:
    """The lowest limit that keeps an asked false-positive rate with 90 % confidence [1].

    References
    ----------
    .. [1] Wilks (1941), Determination of sample sizes for setting tolerance limits, Ann. Math. Statist. 12(1)
    """

    method: ClassVar[str] = "fpr"
    max_fpr: float = 0.05

    def __post_init__(self) -> None:
        # A smaller rate needs more rows than any plant has.
        check_setting(self.method, "max_fpr", self.max_fpr, 1e-9, 1.0)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return math.ceil(math.log(1.0 - _FPR_CONFIDENCE) / math.log1p(-self.max_fpr) - 1e-9)

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit.

        Raises
        ------
        TooFewRows
            If even the highest score does not give the confidence: 0.05 needs 45 independent scores.
        """
        held_out.require(self.independent_needed, f"a false-positive rate of {self.max_fpr:g}")
        rank = _tolerance_rank(held_out.independent, 1.0 - self.max_fpr)
        value = held_out.at_rank(rank)
        evidence = {
            **held_out.evidence(),
            "confidence": _FPR_CONFIDENCE,
            "corrected_percentile": 100.0 * rank / held_out.independent,
            "held_out_fpr": float((held_out.scores > value).mean()),
        }
        return Threshold(_positive(value), {"method": self.method, "max_fpr": self.max_fpr}, evidence)


@dataclass(frozen=True, slots=True)
class Value:
    """A limit that a person chose."""

    value: float
    method: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        check_setting(self.method, "value", self.value, 0.0, 1e300)

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the rule needs."""
        return 1

    def settle(self, held_out: HeldOut) -> Threshold:
        """Take the limit and state what held-out rows say of it."""
        evidence = {**held_out.evidence(), "held_out_fpr": float((held_out.scores > self.value).mean())}
        return Threshold(self.value, {"method": self.method, "value": self.value}, evidence)


def _tolerance_rank(n: int, level: float) -> int:
    """Smallest r for which the r-th of n sorted values lies above the `level` quantile with the wanted confidence."""
    counts = np.arange(n)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    log_choose = log_factorial[n] - log_factorial[counts] - log_factorial[n - counts]
    below = np.cumsum(np.exp(log_choose + counts * math.log(level) + (n - counts) * math.log1p(-level)))
    return int(np.searchsorted(below, _FPR_CONFIDENCE)) + 1


def _positive(value: float) -> float:
    # A limit of 0 (a plant that did not move at all in the block) would alarm on rounding.
    return max(value, float(np.finfo(np.float32).eps))


def check_setting(method: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside its bounds, both excluded."""
    if not low < value < high:
        fault = Fault(f"/{name}", f"{name} lies between {low:g} and {high:g}, both excluded")
        raise RuleRefused(f"the threshold method {method!r} cannot use {name} = {value:g}", faults=[fault])
