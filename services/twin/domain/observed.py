"""What observing needs from outside, each as a protocol, and what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from services.twin.domain.intervals import Outputs
from services.twin.domain.live_quality import Learner, LiveState, Verdict
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.observations import LARGEST_VALUE
from services.twin.domain.prediction import Model
from shared.errors import AppError


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the card promises: the figures on rows that the model never saw; `None` where the card has none."""

    rmse: float | None
    mae: float | None
    coverage: float | None


class LiveModel(Model, Protocol):
    """A loaded model, as observations need it."""

    @property
    def live(self) -> LiveSettings: ...
    @property
    def expectation(self) -> Expectation: ...


class LiveModels(Protocol):
    """Where loaded models come from; methods and errors as those of `serving.Models`."""

    async def get(self, name: str | None) -> LiveModel: ...
    async def get_version(self, name: str, version: str) -> LiveModel: ...


class ObservedVersions(Protocol):
    """Which versions are compared with an observation, besides the one it is for."""

    def versions(self, model: str) -> tuple[str, ...]:
        """Versions of the model; one that is not served any more is left out."""
        ...


def is_comparable(outputs: Outputs) -> bool:
    """Whether a version has an answer, of one row, that a measured value can be compared with."""
    columns = (outputs.prediction, outputs.spread, outputs.lower_quantile, outputs.upper_quantile)
    values = [float(column[0]) for column in columns if column is not None]
    # A comparison with NaN is never true.
    return all(abs(value) <= LARGEST_VALUE for value in values)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One observation on its way into the records.

    Parameters
    ----------
    asset
        Empty where none was named.
    observed_at_ms
        When it was measured [ms since 1970].
    timed
        Whether the sender said when: only then can the same one be known again.
    versions
        What each version needs to learn from it.
    """

    model: str
    asset: str
    actual: float
    observed_at_ms: int
    timed: bool
    versions: Mapping[str, tuple[Learner, Outputs]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the records say about one observation and one version.

    Parameters
    ----------
    duplicate
        It had been there before: nothing was changed, and the verdict is the one of then.
    """

    actual: float
    observed_at_ms: int
    verdict: Verdict
    duplicate: bool


class LiveRecords(Protocol):
    """Observations and live states, shared by replicas and kept over restarts."""

    async def record(
        self, comparisons: Sequence[Comparison], *, user: str, received_at_ms: int
    ) -> Sequence[Mapping[str, Kept]]:
        """Learn from each observation in order, all of them or none; answers for each, by version.

        Raises
        ------
        DatabaseUnavailable
            If they cannot be kept now; nothing was learned.
        """
        ...

    async def state(self, model: str, version: str) -> LiveState:
        """The newest state; an empty one before the first observation. Raises as `record`."""
        ...


@dataclass(frozen=True, slots=True)
class Observed:
    """One observation beside the prediction it belongs to."""

    model: str
    version: str
    unit: str | None
    asset: str | None
    observed_at: datetime
    actual: float
    verdict: Verdict
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one version is, beside what its card promises."""

    model: str
    version: str
    unit: str | None
    settings: LiveSettings
    expectation: Expectation
    state: LiveState


Outcome: TypeAlias = Observed | AppError
