"""Follows the predictions of each asset, and says when one leaves its range, comes back, or changes too fast."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.prediction import Prediction, Status

K = TypeVar("K")
V = TypeVar("V")

# Assets followed at once; beyond that the one not seen for longest is forgotten, and may alert again a little early.
_REMEMBERED = 10_000
# A change is spread over at least this time: the noise of two readings in one moment is no trend [s].
_SHORTEST_CHANGE_S = 1.0


class SignalKind(StrEnum):
    """What happened, in the words of the alert list."""

    OUT_OF_RANGE = "prediction_out_of_range"
    BACK_IN_RANGE = "prediction_back_in_range"
    TOO_FAST = "prediction_changes_too_fast"


@dataclass(frozen=True, slots=True)
class Signal:
    """Something worth an alert; `rate_per_min` is the change that was too fast [unit of the target per minute]."""

    kind: SignalKind
    rate_per_min: float | None = None


@dataclass(slots=True)
class _Excursion:
    """Whether it lasts, whether it was told, and when anything was told last."""

    lasts: bool = False
    told: bool = False
    told_s: float | None = None

    def go_on(self, *, now_s: float, cooldown_s: float) -> bool:
        """The value is out: whether to tell it now."""
        began, self.lasts = not self.lasts, True
        waited = self.told_s is None or now_s - self.told_s >= cooldown_s
        if not waited or not (began or not self.told or cooldown_s > 0.0):
            return False
        self.told, self.told_s = True, now_s
        return True

    def end(self) -> bool:
        """The value is back: whether somebody was told that it had left."""
        told = self.lasts and self.told
        self.lasts = self.told = False
        return told


@dataclass(slots=True)
class _Point:
    """A value to compare with, and when the last one was compared."""

    at_s: float
    value: float
    compared_s: float


@dataclass(frozen=True, slots=True)
class _Change:
    """How fast a value changed [per minute]; not settled where too little time has passed to say that it did not."""

    rate_per_min: float
    settled: bool


class _Recent(Generic[K, V]):
    """The values used last, a bounded number of them."""

    def __init__(self) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _REMEMBERED:
            self._values.popitem(last=False)


class Excursions:
    """One process's memory of what the predictions of each asset did."""

    def __init__(self) -> None:
        self._ranges: _Recent[tuple[str, str | None], _Excursion] = _Recent()
        self._rates: _Recent[tuple[str, str | None], _Excursion] = _Recent()
        self._points: _Recent[tuple[str, str, Status, str | None], _Point] = _Recent()

    def follow(
        self, rules: AlertRules, prediction: Prediction, asset: str | None, *, at_s: float, now_s: float
    ) -> list[Signal]:
        """Look at one prediction.

        Parameters
        ----------
        at_s
            When it was made, on the wall clock [s since 1970]; one that comes out of order tells nothing of a rate.
        now_s
            A clock that never goes back, for the cool-down [s].
        """
        if prediction.status is Status.HOLD:
            # What is repeated was looked at when it was new.
            return []
        key = (prediction.model, asset)
        signals = []
        in_range = self._ranges.get(key) or _Excursion()
        if not rules.allows(prediction.prediction):
            if in_range.go_on(now_s=now_s, cooldown_s=rules.cooldown_s):
                signals.append(Signal(SignalKind.OUT_OF_RANGE))
            self._ranges.put(key, in_range)
        elif in_range.lasts and rules.ends_excursion(prediction.prediction) and in_range.end():
            signals.append(Signal(SignalKind.BACK_IN_RANGE))
        if rules.rate_limit_per_min is not None:
            change = self._change(prediction, asset, at_s)
            too_fast = self._rates.get(key) or _Excursion()
            if change is not None and not rules.allows_rate(change.rate_per_min):
                if too_fast.go_on(now_s=now_s, cooldown_s=rules.cooldown_s):
                    signals.append(Signal(SignalKind.TOO_FAST, change.rate_per_min))
                self._rates.put(key, too_fast)
            elif change is not None and change.settled:
                too_fast.end()
        return signals

    def _change(self, prediction: Prediction, asset: str | None, at_s: float) -> _Change | None:
        """How fast it changed since the prediction before.

        Only the same version is compared: what another one says at the same moment is no change of the plant.
        """
        key = (prediction.model, prediction.version, prediction.status, asset)
        before = self._points.get(key)
        if before is None:
            self._points.put(key, _Point(at_s, prediction.prediction, at_s))
            return None
        if at_s <= before.compared_s:
            return None
        before.compared_s = at_s
        settled = at_s - before.at_s >= _SHORTEST_CHANGE_S
        if settled:
            self._points.put(key, _Point(at_s, prediction.prediction, at_s))
        elapsed_s = max(at_s - before.at_s, _SHORTEST_CHANGE_S)
        return _Change((prediction.prediction - before.value) / elapsed_s * 60.0, settled)
