"""The exactness gate: a graph is packaged only if it predicts what the model predicts, on rows chosen to hurt.

Wherever one wrong leaf among hundreds of trees could hide in what rounding may move their sum, the leaves are compared
by themselves: those of a forest tree by tree and bit by bit, those of XGBoost (which adds in float32) by their sum in
double.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.bundle_layout import PREDICTION, SPREAD, TREES
from services.twin.packaging.errors import NotExact
from services.twin.packaging.graph import DOUBLE_ROUNDING, ConvertedModel
from services.twin.packaging.parity_rows import hard_rows
from services.twin.packaging.reference import Matrix, Reference, Vector
from shared.onnx.session import OnnxSession

# A kernel machine compares each row with each of thousands: all rows at once would take gigabytes.
_PART_ROWS = 2_500


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What the gate measured.

    Parameters
    ----------
    largest_difference, tolerance
        Between graph and model, over all rows, and what was allowed [unit of the target].
    """

    rows: int
    rows_on_grid: int
    rows_on_thresholds: int
    largest_difference: float
    tolerance: float


def check_parity(
    session: OnnxSession,
    converted: ConvertedModel,
    reference: Reference,
    training: Matrix,
    resolutions: Sequence[float | None],
    *,
    extra: Mapping[str, Reference] | None = None,
) -> ParityReport:
    """Compare graph and model on 20,000 rows.

    Parameters
    ----------
    training
        `(n, f)` rows that the model was fitted on.
    resolutions
        Step of each sensor's grid; where it is `None` it is taken from the decimals of the training rows.
    extra
        The further models of the graph, by output.

    Raises
    ------
    NotExact
        If any row of any output differs by more than rounding.
    """
    hard = hard_rows(training, resolutions, converted.cuts)
    others = {} if extra is None else extra
    gate = _Gate(session, converted, hard.rows)
    difference, tolerance = gate.compare_model(PREDICTION, reference)
    report = ParityReport(len(hard.rows), hard.on_grid, hard.on_thresholds, difference, tolerance)
    for output, model in others.items():
        gate.compare_model(output, model)
    if reference.is_forest:
        gate.compare_trees(reference, report, with_spread=SPREAD not in others)
    return report


class _Gate:
    """Compares what a graph says of some rows with what models say."""

    def __init__(self, session: OnnxSession, converted: ConvertedModel, rows: Matrix) -> None:
        self._session, self._converted = session, converted
        self._parts = [rows[start : start + _PART_ROWS] for start in range(0, len(rows), _PART_ROWS)]

    def compare_model(self, output: str, model: Reference) -> tuple[float, float]:
        """Refuse an output that differs by more than rounding; the largest difference, and what was allowed."""
        found = self._column(output)
        expected = _as_served(output, _each(model.predict, self._parts))
        measured = self._compare(output, found, expected, self._converted.rounding[output])
        if (by_leaves := model.leaf_predictor()) is not None:
            sums = _as_served(output, _each(by_leaves, self._parts))
            self._compare(output, found, sums, DOUBLE_ROUNDING)
        return measured

    def compare_trees(self, forest: Reference, report: ParityReport, *, with_spread: bool) -> None:
        """Refuse a graph in which any row falls into another leaf of any tree, however little it moves the mean."""
        wrong, spreads = [], []
        for part in self._parts:
            expected = forest.trees(part)
            (found,) = self._session.run_only([TREES], part)
            wrong.append(np.any(found != expected.astype(np.float32), axis=1))
            spreads.append(expected.std(axis=1))
        self._refuse(TREES, np.concatenate(wrong), report.largest_difference, report.tolerance)
        if with_spread:
            differences = np.abs(self._column(SPREAD) - np.concatenate(spreads))
            self._refuse(SPREAD, ~(differences <= report.tolerance), float(np.max(differences)), report.tolerance)

    def _column(self, output: str) -> Vector:
        return _each(lambda part: np.asarray(self._session.run_only([output], part)[0], np.float64), self._parts)

    def _compare(self, output: str, found: Vector, expected: Vector, rounding: float) -> tuple[float, float]:
        differences = np.abs(found - expected)
        largest = float(np.max(differences))
        tolerance = rounding * max(float(np.max(np.abs(expected))), float(np.finfo(np.float32).tiny))
        self._refuse(output, ~(differences <= tolerance), largest, tolerance)
        return largest, tolerance

    def _refuse(self, output: str, wrong: NDArray[np.bool_], largest_difference: float, tolerance: float) -> None:
        if not (count := int(np.sum(wrong))):
            return
        suspects = self._converted.foreign
        hint = f"; first to suspect: {', '.join(suspects)}, which has no conversion of its own" if suspects else ""
        raise NotExact(
            f"{count} of {len(wrong)} rows of {output!r} differ from the model by more than rounding{hint}",
            output=output,
            rows=len(wrong),
            wrong=count,
            largest_difference=largest_difference,
            tolerance=tolerance,
        )


def _each(function: Callable[[Matrix], Vector], parts: Sequence[Matrix]) -> Vector:
    return np.concatenate([function(part) for part in parts])


def _as_served(output: str, values: Vector) -> Vector:
    """A spread is cut at zero in the graph."""
    return np.maximum(values, 0.0) if output == SPREAD else values
