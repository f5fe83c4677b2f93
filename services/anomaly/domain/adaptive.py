"""A limit that follows slow drift of a stream, and cannot learn a fault that is going on.

The limit moves with the usual score of the asset: its median over a long time, tracked row by row in its logarithm
with steps of fixed size [1]. Four bounds keep a fault from teaching it:

- only clearly normal rows are learned from: scores up to half the limit in force, or those that nine tenths of the
  held-out rows kept to where the limit is near them, both moved along with the limit;
- after a suspicious row nothing is learned until no score shares a reading with it; after an anomalous one for longer,
  and not before the alarm is over: the quiet rows of a fault that comes and goes teach nothing;
- a step is so small that the limit needs `horizon_rows` rows to move by `max_factor`: a fault that grows faster outruns
  it;
- the limit never goes beyond `max_factor` times the one that was calibrated, nor below what held-out normal rows
  reached: a fault that grows as slowly as drift is found when its score passes that.

Methods that adapt to the share of alarms alone, such as adaptive conformal inference [2], return to it during a
fault too, and fall silent.

References
----------
.. [1] Tierney (1983), A space-efficient recursive procedure for estimating a quantile of an unknown distribution,
   SIAM J. Sci. Stat. Comput. 4(4)
.. [2] Gibbs & Candès (2021), Adaptive conformal inference under distribution shift, NeurIPS
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.thresholds import RuleRefused, Threshold
from shared.errors import JSON, Fault

HORIZON_ROWS = 100_000
MAX_FACTOR = 2.0
# A row is clearly normal up to this share of the limit, or up to this quantile of the held-out scores.
_CLEAR_SHARE = 0.5
_CLEAR_QUANTILE = 0.9
# After an alarm, this share of the horizon is not learned from: the plant comes back slowly.
_HOLD_OFF_SHARE = 0.01
_BOUNDS: Mapping[str, tuple[float, float]] = {"horizon_rows": (100, 1_000_000_000), "max_factor": (1.01, 100.0)}


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How far a limit may follow, and how fast.

    Parameters
    ----------
    horizon_rows
        Fewest rows in which the limit moves by `max_factor`.
    max_factor
        Furthest it moves from the calibrated limit, up or down.
    """

    horizon_rows: int = HORIZON_ROWS
    max_factor: float = MAX_FACTOR

    def to_json(self) -> dict[str, JSON]:
        """The settings as rules and cards state them."""
        return {"horizon_rows": self.horizon_rows, "max_factor": self.max_factor}


@dataclass(frozen=True, slots=True)
class AdaptiveState:
    """Where one stream's limit stands.

    Parameters
    ----------
    moved
        Logarithm of the limit in force over the calibrated one.
    hold_rows
        Normal rows still to come before it learns again.
    """

    moved: float = 0.0
    hold_rows: int = 0


@dataclass(frozen=True, slots=True)
class AdaptiveLimit:
    """A calibrated limit and how a stream moves it.

    Parameters
    ----------
    calibrated
        The limit that held-out rows set.
    clear_score, usual_score
        Up to where a row is clearly normal, and the median of the held-out scores up to there.
    lowest
        What the limit in force is never below.
    spacing_rows
        Rows after which two scores share no reading.
    off_delay_rows
        Normal rows that end an alarm.
    """

    adaptation: Adaptation
    calibrated: float
    usual_score: float
    clear_score: float
    lowest: float
    spacing_rows: int
    off_delay_rows: int

    @classmethod
    def of(cls, threshold: Threshold, *, spacing_rows: int, off_delay_rows: int) -> "AdaptiveLimit | None":
        """Read what `Adapted.settle` has written; `None` where a limit stays as it is."""
        settings, found = threshold.rule.get("adaptive"), threshold.evidence.get("adaptive")
        if not isinstance(settings, Mapping) or not isinstance(found, Mapping):
            return None
        numbers = {name: _number(found, name) for name in ("usual_score", "clear_score", "lowest")}
        adaptation = Adaptation(int(_number(settings, "horizon_rows")), _number(settings, "max_factor"))
        return cls(adaptation, threshold.value, spacing_rows=spacing_rows, off_delay_rows=off_delay_rows, **numbers)

    def in_force(self, state: AdaptiveState) -> float:
        """The limit for the next row."""
        return self.calibrated * math.exp(state.moved)

    def follow(self, state: AdaptiveState, scores: Floats) -> tuple[Floats, AdaptiveState]:
        """Limits of rows one after the other, each from the rows before it, and the state after them.

        Parameters
        ----------
        scores
            `(n,)`; rows without a score (NaN) teach nothing.
        """
        limits = np.empty(len(scores))
        for i, score in enumerate(scores.tolist()):
            limits[i] = self.in_force(state)
            if not math.isnan(score):
                state = self._learn(state, score, float(limits[i]))
        return limits, state

    @property
    def _alarm_rows(self) -> int:
        slowly = math.ceil(_HOLD_OFF_SHARE * self.adaptation.horizon_rows)
        return max(slowly, self.off_delay_rows, self.spacing_rows)

    def _learn(self, state: AdaptiveState, score: float, limit: float) -> AdaptiveState:
        if score > self.clear_score * math.exp(state.moved):
            hold_rows = self.spacing_rows if score <= limit else self._alarm_rows
            return AdaptiveState(state.moved, max(state.hold_rows, hold_rows))
        if state.hold_rows > 0:
            return AdaptiveState(state.moved, state.hold_rows - 1)
        most = math.log(self.adaptation.max_factor)
        step = most / self.adaptation.horizon_rows
        above = score > self.usual_score * math.exp(state.moved)
        least = math.log(self.lowest / self.calibrated)
        return AdaptiveState(min(max(state.moved + (step if above else -step), least), most))


class SettlingRule(Protocol):
    """A method that sets a limit on held-out scores."""

    @property
    def method(self) -> str: ...

    @property
    def independent_needed(self) -> int: ...

    def settle(self, held_out: HeldOut) -> Threshold: ...


@dataclass(frozen=True, slots=True)
class Adapted:
    """Any method without labels, with a limit that streams move."""

    rule: SettlingRule
    adaptation: Adaptation = field(default_factory=Adaptation)

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.rule.method

    @property
    def independent_needed(self) -> int:
        """Independent held-out scores that the method needs."""
        return self.rule.independent_needed

    def settle(self, held_out: HeldOut) -> Threshold:
        """Set the limit, and say where it may move."""
        settled = self.rule.settle(held_out)
        lowest = max(settled.value / self.adaptation.max_factor, min(settled.value, float(held_out.scores.max())))
        quantile = float(np.quantile(held_out.scores, _CLEAR_QUANTILE))
        clear = min(max(_CLEAR_SHARE * settled.value, quantile), settled.value)
        # Of the rows that are learned from: the others would pull the median up, and the limit with them.
        learned = held_out.scores[held_out.scores <= clear]
        usual = float(np.median(learned)) if len(learned) else clear
        evidence: dict[str, JSON] = {
            "usual_score": usual,
            "clear_score": clear,
            "lowest": lowest,
            "highest": settled.value * self.adaptation.max_factor,
        }
        return Threshold(
            settled.value,
            {**settled.rule, "adaptive": self.adaptation.to_json()},
            {**settled.evidence, "adaptive": evidence},
        )


def read_adaptation(document: Mapping[str, JSON]) -> tuple[Mapping[str, JSON], Adaptation | None]:
    """Part a rule with the setting `adaptive` (`true`, or an object with settings) into the rule and the setting.

    Raises
    ------
    RuleRefused
        If the setting is something else, or one of its own is unknown or out of range; pointers go into the document.
    """
    rest = {name: value for name, value in document.items() if name != "adaptive"}
    wish = document.get("adaptive")
    if wish is None or wish is False:
        return rest, None
    if wish is True:
        return rest, Adaptation()
    if not isinstance(wish, Mapping):
        raise RuleRefused("adaptive is true, or an object", faults=[Fault("/adaptive", "true, or an object")])
    given = {name: value for name, value in wish.items() if value is not None}
    faults = [
        Fault(f"/adaptive/{name}", _detail(name), {"available": list(_BOUNDS)})
        for name, value in given.items()
        if not _fits(name, value)
    ]
    if faults:
        raise RuleRefused("the limit cannot adapt like this", faults=faults)
    horizon_rows = given.get("horizon_rows", HORIZON_ROWS)
    return rest, Adaptation(int(_float(horizon_rows)), _float(given.get("max_factor", MAX_FACTOR)))


def _fits(name: str, value: JSON) -> bool:
    if name not in _BOUNDS or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = _BOUNDS[name]
    return low <= value <= high and (name != "horizon_rows" or value == int(value))


def _detail(name: str) -> str:
    if name not in _BOUNDS:
        return "there is no such setting"
    low, high = _BOUNDS[name]
    return f"a {'whole ' if name == 'horizon_rows' else ''}number from {low:g} to {high:g}"


def _number(document: Mapping[str, JSON], name: str) -> float:
    return _float(document.get(name))


def _float(value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a stored threshold holds {value!r} where a number belongs")
    return float(value)
