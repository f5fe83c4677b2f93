"""What serving a prediction needs from outside, each as a protocol, with the one that changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.intervals import Calibration, Outputs, Vector
from services.twin.domain.prediction import Model, Prediction
from shared.errors import JSON, AppError, Kind

T = TypeVar("T")


class PoolFull(AppError):
    """More work is waiting than can be done soon."""

    kind, code = Kind.UNAVAILABLE, "twin.pool_full"

    def __init__(self) -> None:
        super().__init__("too many predictions are waiting", retry_after_s=1.0)


class DeadlineMissed(AppError):
    """The model had no answer in time."""

    kind, code = Kind.DEADLINE, "twin.deadline_missed"

    def __init__(self, model: str, deadline_s: float) -> None:
        super().__init__(
            f"{model!r} had no answer within {deadline_s:g} s", retry_after_s=1.0, model=model, deadline_s=deadline_s
        )


class StillBusy(AppError):
    """A call that missed its deadline still runs, so the model is not asked again yet."""

    kind, code = Kind.DEADLINE, "twin.still_busy"

    def __init__(self) -> None:
        super().__init__("the model still works on a request that missed its deadline", retry_after_s=1.0)


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked, about which equipment.

    Parameters
    ----------
    sticky_key
        Whoever sends the same key is answered by the same variant of an experiment; left out, the asset is the key.
    """

    user: str
    asset: str | None
    sticky_key: str | None = None
    request_id: str = "-"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was found, how long that took, and when."""

    content: T
    duration_s: float
    answered_at: datetime


class Models(Protocol):
    """Where loaded models come from."""

    async def get(self, name: str | None) -> Model:
        """The active version of a model, or of the default one.

        Raises
        ------
        ModelMissing, ModelUnnamed
            If there is none.
        """
        ...

    async def get_version(self, name: str, version: str) -> Model:
        """One version of a model, active or not.

        Raises
        ------
        VersionMissing
            If there is none.
        """
        ...


class WorkPool(Protocol):
    """Threads for what takes too long for the event loop."""

    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        """Run the call in a thread.

        Parameters
        ----------
        owner
            Whose call it is: one that a caller gave up keeps others of its owner out until it ends.

        Raises
        ------
        PoolFull, StillBusy
            If too much is waiting, or a call of this owner hangs.
        """
        ...


class Correction(Protocol):
    """What live quality has learned about one version since it was packaged."""

    @property
    def revision(self) -> int:
        """Grows with every change, so that no cached answer outlives one."""
        ...

    def correct(self, calibration: Calibration, outputs: Outputs, level: float) -> tuple[Vector, Vector, Vector]:
        """Prediction, lower and upper end of each row, `(n,)` [unit of the target].

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If there is no interval of this level.
        """
        ...


class Corrections(Protocol):
    """Corrections at hand, without asking anybody."""

    def of(self, model: str, version: str) -> Correction | None:
        """The correction in force, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """Which version of a model answers a request.

    Parameters
    ----------
    variant
        Its name in the experiment.
    shadows
        Versions whose answers are compared with it and never returned.
    """

    variant: str
    version: str
    shadows: tuple[str, ...] = ()


class Variants(Protocol):
    """Experiments at hand, without asking anybody."""

    def choose(self, model: str, *, sticky_key: str | None, request_id: str) -> Choice | None:
        """Which version answers; `None` where the model has no experiment, and its active version does."""
        ...


class NoVariants:
    """Implements `Variants` for a twin without experiments."""

    def choose(self, model: str, *, sticky_key: str | None, request_id: str) -> None:
        """None."""


class Meter(Protocol):
    """Counts what happens to rows."""

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """One row or batch was answered."""
        ...

    def refused(self, model: str, version: str) -> None:
        """One row could not be used."""
        ...

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:
        """A policy was taken; `REJECT` also where another one had nothing to offer."""
        ...

    def stuck(self, model: str, *, features: int) -> None:
        """A prediction was answered with this many features that seem to stand still."""
        ...


class NoMeter:
    """Implements `Meter` where nobody counts."""

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """Nothing."""

    def refused(self, model: str, version: str) -> None:
        """Nothing."""

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:
        """Nothing."""

    def stuck(self, model: str, *, features: int) -> None:
        """Nothing."""


class PredictionWatch(Protocol):
    """Looks at each prediction."""

    def seen(self, answer: Answer[Prediction], inputs: Mapping[str, JSON], requester: Requester) -> None:
        """Take note; must return at once and never raise."""
        ...


class ShadowWatch(Protocol):
    """Looks at what a shadow would have answered."""

    def compared(self, answered: Prediction, shadow: Prediction, requester: Requester) -> None:
        """Take note of both answers to the same inputs; must return at once and never raise."""
        ...

    def failed(self, model: str, version: str) -> None:
        """The shadow had no answer; must return at once and never raise."""
        ...


class NoShadows:
    """Implements `ShadowWatch` for a twin without experiments."""

    def compared(self, answered: Prediction, shadow: Prediction, requester: Requester) -> None:
        """Nothing."""

    def failed(self, model: str, version: str) -> None:
        """Nothing."""
