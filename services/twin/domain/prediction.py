"""A prediction: the value, its interval, and whether the row resembles the training rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.applicability import Applicability, ApplicabilityCheck
from services.twin.domain.features import InputReader, InputsInvalid, QualityBad
from services.twin.domain.intervals import Calibration, Outputs
from shared.errors import JSON, AppError, Kind

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class PredictionNotFinite(AppError):
    """The inputs are so extreme that the model's answer is no number."""

    kind, code = Kind.INVALID, "twin.prediction_not_finite"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model!r} has no finite answer for these inputs", model=model)


# Why a row has no prediction.
Refusal: TypeAlias = InputsInvalid | QualityBad | PredictionNotFinite


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
    def row_us(self) -> float:
        """Time one row takes, measured when the model was loaded [µs]."""
        ...

    def compute(self, rows: Matrix) -> Outputs:
        """What the graph says about each row of `(n, f)`."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one row.

    Parameters
    ----------
    prediction, lower, upper
        Value and interval [unit of the target].
    level
        Probability with which the interval holds the true value [1].
    """

    model: str
    version: str
    prediction: float
    unit: str | None
    lower: float
    upper: float
    level: float
    applicability: Applicability


@dataclass(frozen=True, slots=True)
class BatchPrediction:
    """What a model says about a batch: for each input, in order, a prediction or why there is none."""

    model: str
    version: str
    unit: str | None
    results: tuple[Prediction | Refusal, ...]

    @property
    def successful(self) -> int:
        """How many inputs were predicted."""
        return sum(isinstance(result, Prediction) for result in self.results)


def predict_row(model: Model, inputs: Mapping[str, JSON], level: float) -> Prediction:
    """Predict one row.

    Raises
    ------
    InputsInvalid, QualityBad, PredictionNotFinite
        If the inputs cannot be used.
    LevelInvalid, TooFewResiduals
        If the calibration gives no interval of this level.
    """
    values = model.reader.read(inputs)
    rows = np.array([values])
    outputs = model.compute(rows)
    lower, upper = model.calibration.bounds(outputs, level)
    ends = (float(outputs.prediction[0]), float(lower[0]), float(upper[0]))
    found = _found(model, ends, level, model.applicability.place(values, rows[0]))
    if isinstance(found, PredictionNotFinite):
        raise found
    return found


def predict_rows(model: Model, inputs: Sequence[Mapping[str, JSON]], level: float) -> BatchPrediction:
    """Predict a batch; an input that cannot be used does not hold up the others.

    Raises
    ------
    LevelInvalid, TooFewResiduals
        If the calibration gives no interval of this level.
    """
    results: list[Prediction | Refusal | None] = [None] * len(inputs)
    usable: list[int] = []
    values: list[list[float]] = []
    for index, row in enumerate(inputs):
        try:
            values.append(model.reader.read(row, f"/inputs/{index}"))
            usable.append(index)
        except (InputsInvalid, QualityBad) as error:
            results[index] = error
    # An empty batch still asks the calibration, so that a level it cannot give is refused all the same.
    rows = np.array(values)
    model.calibration.score(level)
    if usable:
        outputs = model.compute(rows)
        lower, upper = model.calibration.bounds(outputs, level)
        ends = zip(outputs.prediction.tolist(), lower.tolist(), upper.tolist(), strict=True)
        for index, row_ends, place in zip(usable, ends, model.applicability.place_all(rows), strict=True):
            results[index] = _found(model, row_ends, level, place)
    answered = tuple(result for result in results if result is not None)
    return BatchPrediction(model.name, model.version, model.unit, answered)


def _found(
    model: Model, ends: tuple[float, float, float], level: float, place: Applicability
) -> Prediction | PredictionNotFinite:
    """The prediction from its value, lower and upper end."""
    value, lower, upper = ends
    # Infinity and NaN have no form in JSON, and no meaning for a plant.
    if not math.isfinite(upper - lower):
        return PredictionNotFinite(model.name)
    return Prediction(model.name, model.version, value, model.unit, lower, upper, level, place)
