"""The use case behind every prediction: find the model, compute where it disturbs nobody, tell watch and meter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from services.twin.domain.features import InputsInvalid, QualityBad
from services.twin.domain.prediction import (
    BatchPrediction,
    Model,
    Prediction,
    PredictionNotFinite,
    predict_row,
    predict_rows,
)
from shared.clock import Clock
from shared.errors import JSON, AppError, Kind

T = TypeVar("T")

# A model that answers a row within this time is computed inside the event loop: handing it to a thread and back costs
# about as much, and holds up the loop just the same.
INLINE_LIMIT_US = 500.0


class BatchTooLarge(AppError):
    """The batch holds more inputs than one request may."""

    kind, code = Kind.TOO_LARGE, "twin.batch_too_large"

    def __init__(self, *, limit_rows: int, rows: int) -> None:
        super().__init__(
            f"a batch holds at most {limit_rows} inputs, this one {rows}", limit_rows=limit_rows, rows=rows
        )


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


class WorkPool(Protocol):
    """Threads for what takes too long for the event loop."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run the call in a thread; refuse when too much is waiting."""
        ...


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked, and about which equipment."""

    user: str
    asset: str | None


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was found, how long that took, and when."""

    content: T
    duration_s: float
    answered_at: datetime


class Meter(Protocol):
    """Counts what happens to rows."""

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """One row or batch was answered."""
        ...

    def refused(self, model: str, version: str) -> None:
        """One row could not be used."""
        ...


class PredictionWatch(Protocol):
    """Looks at each prediction."""

    def seen(self, prediction: Prediction, inputs: Mapping[str, JSON], requester: Requester) -> None:
        """Take note; must return at once and never raise."""
        ...


class Predictor:
    """Finds the model, computes where it disturbs nobody, and lets the watch and the meter know.

    Parameters
    ----------
    batch_limit_rows
        Most inputs of one batch.
    """

    def __init__(
        self,
        *,
        models: Models,
        pool: WorkPool,
        meter: Meter,
        watch: PredictionWatch,
        clock: Clock,
        batch_limit_rows: int,
    ) -> None:
        self._models, self._pool, self._meter, self._watch, self._clock = models, pool, meter, watch, clock
        self._batch_limit_rows = batch_limit_rows

    async def predict(
        self, model: str | None, inputs: Mapping[str, JSON], *, level: float, requester: Requester
    ) -> Answer[Prediction]:
        """Predict one row; raises as `predict_row`, and if there is no such model."""
        found = await self._models.get(model)
        start_s = self._clock.monotonic_s()
        try:
            if found.row_us < INLINE_LIMIT_US:
                prediction = predict_row(found, inputs, level)
            else:
                prediction = await self._pool.run(lambda: predict_row(found, inputs, level))
        except (InputsInvalid, QualityBad, PredictionNotFinite):
            self._meter.refused(found.name, found.version)
            raise
        duration_s = self._clock.monotonic_s() - start_s
        self._meter.predicted(found.name, found.version, rows=1, refused=0, duration_s=duration_s)
        self._watch.seen(prediction, inputs, requester)
        return Answer(prediction, duration_s, self._clock.now())

    async def predict_batch(
        self, model: str | None, inputs: Sequence[Mapping[str, JSON]], *, level: float, requester: Requester
    ) -> Answer[BatchPrediction]:
        """Predict a batch in a thread; raises as `predict_rows`, and if it is too large or there is no such model."""
        if len(inputs) > self._batch_limit_rows:
            raise BatchTooLarge(limit_rows=self._batch_limit_rows, rows=len(inputs))
        found = await self._models.get(model)
        start_s = self._clock.monotonic_s()
        batch = await self._pool.run(lambda: predict_rows(found, inputs, level))
        duration_s = self._clock.monotonic_s() - start_s
        refused = len(inputs) - batch.successful
        self._meter.predicted(found.name, found.version, rows=batch.successful, refused=refused, duration_s=duration_s)
        for row, result in zip(inputs, batch.results, strict=True):
            if isinstance(result, Prediction):
                self._watch.seen(result, row, requester)
        return Answer(batch, duration_s, self._clock.now())
