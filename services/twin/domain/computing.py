"""From rows that were read to predictions: one run of the graph, interval, correction, applicability."""

import math
from collections.abc import Sequence

import numpy as np

from services.twin.domain.applicability import Applicability
from services.twin.domain.features import Columns, InputRow
from services.twin.domain.intervals import Outputs
from services.twin.domain.prediction import (
    Matrix,
    MatrixPrediction,
    Model,
    Prediction,
    PredictionNotFinite,
    Status,
    Vector,
)
from services.twin.domain.serving import Correction


def compute_row(model: Model, row: InputRow, level: float, correction: Correction | None = None) -> Prediction:
    """Predict a row that was read.

    Raises
    ------
    QualityBad, PredictionNotFinite
        If the row cannot be used.
    LevelInvalid, TooFewResiduals
        If the calibration gives no interval of this level.
    """
    row.require_good()
    rows = np.array([row.values])
    prediction, lower, upper = _bounds(model, model.compute(rows), level, correction)
    place = model.applicability.place(row.values, rows[0]).doubting(row.uncertain)
    ends = (float(prediction[0]), float(lower[0]), float(upper[0]))
    found = _found(model, ends, level, place)
    if isinstance(found, PredictionNotFinite):
        raise found
    return found


def compute_rows(
    model: Model, rows: Sequence[InputRow], level: float, correction: Correction | None = None
) -> list[Prediction | PredictionNotFinite]:
    """Predict rows that were read and hold no Bad value, all in one run; raises as `compute_row`."""
    values = np.array([row.values for row in rows])
    computed = _bounds(model, model.compute(values), level, correction)
    ends = zip(*(column.tolist() for column in computed), strict=True)
    places = model.applicability.place_all(values)
    return [
        _found(model, row_ends, level, place.doubting(row.uncertain))
        for row, row_ends, place in zip(rows, ends, places, strict=True)
    ]


def compute_matrix(
    model: Model, rows: Matrix | Columns, level: float, correction: Correction | None = None
) -> tuple[Matrix, MatrixPrediction]:
    """Predict many rows, all of them or none: `(n, f)` in the model's own order, or columns by name.

    Returns
    -------
    tuple
        The rows in the model's order, and what it says about them.

    Raises
    ------
    InputsInvalid
        If a value is not finite or outside its range; every one is listed.
    PredictionNotFinite
        If a row has no finite answer.
    LevelInvalid, TooFewResiduals
        If the calibration gives no interval of this level.
    """
    values = model.reader.read_many(rows)
    prediction, lower, upper = _bounds(model, model.compute(values), level, correction)
    if not (np.all(np.isfinite(prediction)) and np.all(np.isfinite(upper - lower))):
        raise PredictionNotFinite(model.name)
    return values, MatrixPrediction(
        model=model.name,
        version=model.version,
        unit=model.unit,
        level=level,
        prediction=prediction,
        lower=lower,
        upper=upper,
        applicability=tuple(model.applicability.place_all(values)),
    )


def predict_by_surrogate(model: Model, row: InputRow, level: float) -> Prediction:
    """What the model's linear surrogate says from the values that are not Bad.

    Raises
    ------
    PredictionNotFinite
        If the model has no surrogate, or its answer is no number.
    LevelInvalid, TooFewResiduals
        If its calibration gives no interval of this level.
    """
    if model.fallback is None:
        raise PredictionNotFinite(model.name)
    values = row.known()
    ends = model.fallback.predict(values, level)
    place = model.applicability.place_known(values) if row.bad else _place(model, row)
    found = _found(model, ends, level, place.doubting(row.uncertain), Status.FALLBACK)
    if isinstance(found, PredictionNotFinite):
        raise found
    return found


def _place(model: Model, row: InputRow) -> Applicability:
    return model.applicability.place(row.values, np.array(row.values))


def _bounds(
    model: Model, outputs: Outputs, level: float, correction: Correction | None
) -> tuple[Vector, Vector, Vector]:
    if correction is None:
        return outputs.prediction, *model.calibration.bounds(outputs, level)
    return correction.correct(model.calibration, outputs, level)


def _found(
    model: Model,
    ends: tuple[float, float, float],
    level: float,
    place: Applicability,
    status: Status = Status.OK,
) -> Prediction | PredictionNotFinite:
    """The prediction from its value, lower and upper end."""
    value, lower, upper = ends
    # Infinity and NaN have no form in JSON, and no meaning for a plant.
    if not (math.isfinite(value) and math.isfinite(upper - lower)):
        return PredictionNotFinite(model.name)
    return Prediction(model.name, model.version, value, model.unit, lower, upper, level, place, status)
