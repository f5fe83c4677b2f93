"""What is answered where a model cannot: refuse, repeat its last good prediction, or ask its surrogate."""

from collections import OrderedDict
from dataclasses import replace
from typing import TypeAlias

from services.twin.domain.computing import predict_by_surrogate
from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.features import InputRow, QualityBad
from services.twin.domain.intervals import TooFewResiduals
from services.twin.domain.prediction import Model, Prediction, PredictionNotFinite, Status
from services.twin.domain.serving import Meter, PoolFull
from shared.clock import Clock
from shared.errors import AppError, Kind

# Last good predictions kept; beyond that the one not renewed for longest is forgotten.
_HELD = 10_000
_Subject: TypeAlias = tuple[str, str, str | None, float]


class Rescue:
    """Applies each model's fail-safe policy, and remembers what a model that holds may repeat.

    Last good predictions are kept in this process alone, by version, asset and level: they must be at hand where
    nothing else is. Another version may have another unit, and in an experiment its answers count for another variant.
    """

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._held: OrderedDict[_Subject, tuple[float, Prediction]] = OrderedDict()

    def remember(self, model: Model, prediction: Prediction, asset: str | None) -> None:
        """Keep a good prediction of a model that holds."""
        if model.fail_safe.policy is not FailSafePolicy.HOLD:
            return
        subject = (model.name, model.version, asset, prediction.level)
        self._held[subject] = (self._clock.monotonic_s(), prediction)
        self._held.move_to_end(subject)
        if len(self._held) > _HELD:
            self._held.popitem(last=False)

    def answer(self, model: Model, row: InputRow, level: float, asset: str | None, error: AppError) -> Prediction:
        """The prediction that stands in for the one that failed.

        Raises
        ------
        AppError
            The given one, if it is no failure of the model or its inputs, or nothing stands in.
        LevelInvalid, TooFewResiduals
            If the model gives no interval of this level, whatever else is wrong.
        """
        cause = _cause(error)
        if cause is None:
            raise error
        model.calibration.score(level)
        found = self._stand_in(model, row, level, asset)
        policy = model.fail_safe.policy if found is not None else FailSafePolicy.REJECT
        self._meter.failed_safe(model.name, model.version, policy=policy, cause=cause)
        if found is None:
            raise error
        return found

    def _stand_in(self, model: Model, row: InputRow, level: float, asset: str | None) -> Prediction | None:
        if model.fail_safe.policy is FailSafePolicy.HOLD:
            return self._last_good(model, level, asset)
        if model.fail_safe.policy is FailSafePolicy.FALLBACK:
            try:
                return predict_by_surrogate(model, row, level)
            except (PredictionNotFinite, TooFewResiduals):
                return None
        return None

    def _last_good(self, model: Model, level: float, asset: str | None) -> Prediction | None:
        at_s, prediction = self._held.get((model.name, model.version, asset, level), (0.0, None))
        age_s = self._clock.monotonic_s() - at_s
        if prediction is None or age_s > model.fail_safe.hold_limit_s:
            return None
        return replace(prediction, status=Status.HOLD, age_s=age_s, from_cache=False)


def _cause(error: AppError) -> Cause | None:
    if isinstance(error, QualityBad):
        return Cause.QUALITY_BAD
    if isinstance(error, PoolFull):
        return Cause.BUSY
    if isinstance(error, PredictionNotFinite) or error.kind is Kind.UNAVAILABLE:
        return Cause.FAILED
    return Cause.DEADLINE if error.kind is Kind.DEADLINE else None
