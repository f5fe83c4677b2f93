"""Tells the tallies of experiments what was refused and what failed, on its way to the metrics."""

from services.twin.adapters.experiment_tallies import ExperimentTallies
from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.serving import Meter


class ArmMeter:
    """Implements `serving.Meter` over another one."""

    def __init__(self, meter: Meter, tallies: ExperimentTallies) -> None:
        self._meter, self._tallies = meter, tallies

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        self._meter.predicted(model, version, rows=rows, refused=refused, duration_s=duration_s)
        if refused:
            self._tallies.refused(model, version, refused)

    def refused(self, model: str, version: str) -> None:
        self._meter.refused(model, version)
        self._tallies.refused(model, version, 1)

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:
        self._meter.failed_safe(model, version, policy=policy, cause=cause)
        if cause is not Cause.QUALITY_BAD:
            self._tallies.failed(model, version)

    def stuck(self, model: str, *, features: int) -> None:
        self._meter.stuck(model, features=features)
