"""A prediction: the value, its interval, and whether the row resembles the training rows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.applicability import Applicability, ApplicabilityCheck
from services.twin.domain.fail_safe import FailSafe, Surrogate
from services.twin.domain.features import InputReader
from services.twin.domain.intervals import Calibration, Outputs
from services.twin.domain.stuck import StuckFeature
from shared.errors import AppError, Kind

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class PredictionNotFinite(AppError):
    """The inputs are so extreme that the model's answer is no number."""

    kind, code = Kind.INVALID, "twin.prediction_not_finite"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model!r} has no finite answer for these inputs", model=model)


class Model(Protocol):
    """A loaded model, as prediction needs it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def reader(self) -> InputReader: ...
    @property
    def calibration(self) -> Calibration: ...
    @property
    def applicability(self) -> ApplicabilityCheck: ...
    @property
    def fail_safe(self) -> FailSafe: ...
    @property
    def fallback(self) -> Surrogate | None: ...
    @property
    def row_us(self) -> float:
        """Time one row takes, measured when the model was loaded [µs]."""
        ...

    def compute(self, rows: Matrix) -> Outputs:
        """What the graph says about each row of `(n, f)`."""
        ...


class Status(StrEnum):
    """Where a prediction comes from."""

    OK = "ok"
    """Computed from these inputs, just now."""
    HOLD = "hold"
    """The last good one, because there is none for these inputs."""
    FALLBACK = "fallback"
    """The model's linear surrogate, because the model itself could not."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one row.

    Parameters
    ----------
    prediction, lower, upper
        Value and interval [unit of the target].
    level
        Probability with which the interval holds the true value [1].
    age_s
        Age of the inputs behind it [s]; above 0 only where it is held.
    variant
        The variant of an experiment that answered, if there is one.
    stuck
        Features whose sensors seem to stand still.
    """

    model: str
    version: str
    prediction: float
    unit: str | None
    lower: float
    upper: float
    level: float
    applicability: Applicability
    status: Status = Status.OK
    age_s: float = 0.0
    from_cache: bool = False
    variant: str | None = None
    stuck: tuple[StuckFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchPrediction:
    """What a model says about a batch: for each input, in order, a prediction or why there is none."""

    model: str
    version: str
    unit: str | None
    results: tuple[Prediction | AppError, ...]
    variant: str | None = None

    @property
    def successful(self) -> int:
        """How many inputs were predicted."""
        return sum(isinstance(result, Prediction) for result in self.results)


@dataclass(frozen=True, slots=True)
class MatrixPrediction:
    """What a model says about the rows of a matrix; each array `(n,)` [unit of the target]."""

    model: str
    version: str
    unit: str | None
    level: float
    prediction: Vector
    lower: Vector
    upper: Vector
    applicability: tuple[Applicability, ...]
    variant: str | None = None

    def predictions(self) -> list[Prediction]:
        """One prediction for each row."""
        ends = zip(self.prediction.tolist(), self.lower.tolist(), self.upper.tolist(), strict=True)
        return [
            Prediction(
                self.model, self.version, value, self.unit, lower, upper, self.level, place, variant=self.variant
            )
            for (value, lower, upper), place in zip(ends, self.applicability, strict=True)
        ]
