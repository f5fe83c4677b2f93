"""Every row as an unseen one: predicted by the same recipe fitted without it, and judged by all that never saw it.

For the calibration, the rows of a fold are predicted by a refit without that fold. To judge, all of that is repeated
inside the other folds, which takes a refit without each pair of folds; a pair serves both of its folds. With five folds
that makes fifteen refits, and ten more (without each three folds) where an error model learns from refits, too.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from services.twin.domain.intervals import IntervalMethod, Outputs
from services.twin.packaging.aids import ERROR_MODEL_ROWS, QUANTILE_ROWS, ErrorModel, QuantilePair
from services.twin.packaging.evidence import FOLDS, Sample, Source, Unseen, deal, pick
from services.twin.packaging.reference import Reference, Vector
from services.twin.packaging.training_data import TrainingData

_SEED = 5

# Folds that are left out of a fit. What is computed for them is `(n,)` and holds for their rows alone.
_Folds = frozenset[int]


class CrossFitted:
    """Out-of-fold evidence from the rows that the estimator was fitted on.

    Parameters
    ----------
    reference
        A recipe that can be refitted.
    data
        What it was fitted on, at least two rows a fold.

    References
    ----------
    .. [1] Barber et al. (2021), Predictive Inference with the Jackknife+, Annals of Statistics 49(1), arXiv:1905.02928
    """

    source = Source.OUT_OF_FOLD

    def __init__(self, reference: Reference, data: TrainingData) -> None:
        self._reference, self._data = reference, data
        self._fold = deal(len(data.rows), _SEED)
        self._refits: dict[_Folds, Outputs] = {}
        self._expected: dict[_Folds, Vector] = {}
        self._quantiles: dict[_Folds, tuple[Vector, Vector]] = {}
        spread = self._gather(self._refit, frozenset()).spread
        self._trees_tell = spread is not None and float(np.median(spread)) > 0.0

    def rows(self, method: IntervalMethod) -> int:  # noqa: ARG002 - every row calibrates, whatever the method
        return len(self._fold)

    def rows_needed(self, method: IntervalMethod) -> int:
        needed = QUANTILE_ROWS if method is IntervalMethod.CQR else 0
        if self._wants_error_model(method):
            needed = ERROR_MODEL_ROWS
        # Two folds are left out of the smallest of their fits.
        return -(-needed * FOLDS // (FOLDS - 2))

    def calibrating(self, method: IntervalMethod, without: int | None) -> Sample:
        left_out = frozenset() if without is None else frozenset({without})
        where = ~np.isin(self._fold, list(left_out))
        outputs = self._gather(lambda folds: self._outputs(method, folds), left_out)
        return Sample(pick(outputs, where), self._data.target[where])

    def judging(self, method: IntervalMethod, fold: int) -> Sample:
        where = self._fold == fold
        return Sample(pick(self._outputs(method, frozenset({fold})), where), self._data.target[where])

    def aids(self, method: IntervalMethod) -> Mapping[str, BaseEstimator]:
        if method is IntervalMethod.CQR:
            return QuantilePair.fit(self._data.rows, self._data.target).served
        return self._error_model(frozenset()).served if self._wants_error_model(method) else {}

    def unseen(self) -> Unseen:
        return Unseen(self._data.target, self._gather(self._refit, frozenset()).prediction, self._fold)

    def _wants_error_model(self, method: IntervalMethod) -> bool:
        return method is IntervalMethod.NORMALIZED and not self._trees_tell

    def _gather(self, compute: Callable[[_Folds], Outputs], left_out: _Folds) -> Outputs:
        """Each row by what was fitted without its fold, and without the folds that are left out anyway."""
        parts = [compute(left_out | {fold}) for fold in range(FOLDS)]
        rows = np.arange(len(self._fold))

        def column(name: str) -> Vector | None:
            columns = [getattr(part, name) for part in parts]
            return None if columns[0] is None else np.stack(columns)[self._fold, rows]

        prediction = np.stack([part.prediction for part in parts])[self._fold, rows]
        return Outputs(prediction, column("spread"), column("lower_quantile"), column("upper_quantile"))

    def _outputs(self, method: IntervalMethod, left_out: _Folds) -> Outputs:
        outputs = self._refit(left_out)
        if method is IntervalMethod.CQR:
            return Outputs(outputs.prediction, None, *self._regressed_quantiles(left_out))
        if self._wants_error_model(method):
            return Outputs(outputs.prediction, self._expected_errors(left_out))
        return outputs

    def _refit(self, left_out: _Folds) -> Outputs:
        if left_out not in self._refits:
            unseen = np.isin(self._fold, list(left_out))
            refit = self._reference.refit(self._data.rows[~unseen], self._data.target[~unseen])
            # Predictions are kept and models are not: fifteen forests may be too many for the memory.
            spread = refit.spread(self._data.rows[unseen])
            self._refits[left_out] = Outputs(
                self._placed(refit.predict(self._data.rows[unseen]), unseen),
                None if spread is None else self._placed(spread, unseen),
            )
        return self._refits[left_out]

    def _expected_errors(self, left_out: _Folds) -> Vector:
        if left_out not in self._expected:
            unseen = np.isin(self._fold, list(left_out))
            expected = self._error_model(left_out).spread(self._data.rows[unseen])
            self._expected[left_out] = self._placed(expected, unseen)
        return self._expected[left_out]

    def _error_model(self, left_out: _Folds) -> ErrorModel:
        """Learned from errors of refits that saw neither the row's own fold nor those left out."""
        seen = ~np.isin(self._fold, list(left_out))
        errors = np.abs(self._data.target - self._gather(self._refit, left_out).prediction)
        return ErrorModel.fit(self._data.rows[seen], errors[seen])

    def _regressed_quantiles(self, left_out: _Folds) -> tuple[Vector, Vector]:
        if left_out not in self._quantiles:
            unseen = np.isin(self._fold, list(left_out))
            pair = QuantilePair.fit(self._data.rows[~unseen], self._data.target[~unseen])
            lower, upper = pair.predict(self._data.rows[unseen])
            self._quantiles[left_out] = (self._placed(lower, unseen), self._placed(upper, unseen))
        return self._quantiles[left_out]

    @staticmethod
    def _placed(values: Vector, where: NDArray[np.bool_]) -> Vector:
        """Values of some rows in an array of all rows; NaN for the others, so that no mistake goes unseen."""
        everywhere = np.full(len(where), np.nan)
        everywhere[where] = values
        return everywhere
