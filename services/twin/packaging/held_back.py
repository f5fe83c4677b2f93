"""Rows that were held back from one fit: part of them may teach the error model, the others calibrate."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from services.twin.domain.intervals import IntervalMethod, Outputs
from services.twin.packaging.aids import ERROR_MODEL_ROWS, ErrorModel, QuantilePair
from services.twin.packaging.evidence import FOLDS, Sample, Source, Unseen, deal, pick
from services.twin.packaging.reference import Reference
from services.twin.packaging.training_data import TrainingData

_SEED = 6
# The rest calibrates: a width that follows the row is worth some rows, a quantile needs most of them.
_LEARNING_SHARE = 1 / 3


class HeldBack:
    """Evidence from rows that one fitted model never saw.

    Parameters
    ----------
    reference
        The model that is measured: the served one, or a refit of its recipe.
    training
        What that model was fitted on; quantiles are regressed on these rows.
    unseen
        The rows held back.
    """

    def __init__(self, source: Source, reference: Reference, training: TrainingData, unseen: TrainingData) -> None:
        self.source = source
        self._training, self._data = training, unseen
        self._fold = deal(len(unseen.rows), _SEED)
        # The same share of each fold teaches, whichever fold is left out.
        self._teaches = np.random.default_rng(_SEED).permutation(len(unseen.rows)) < _LEARNING_SHARE * len(unseen.rows)
        self._outputs = Outputs(reference.predict(unseen.rows), reference.spread(unseen.rows))
        self._pair: QuantilePair | None = None
        self._trees_tell = self._outputs.spread is not None and float(np.median(self._outputs.spread)) > 0.0

    def rows(self, method: IntervalMethod) -> int:
        return int(np.sum(~self._teaches)) if self._wants_error_model(method) else len(self._fold)

    def rows_needed(self, method: IntervalMethod) -> int:
        if not self._wants_error_model(method):
            return 0
        return int(np.ceil(ERROR_MODEL_ROWS / _LEARNING_SHARE * FOLDS / (FOLDS - 1)))

    def calibrating(self, method: IntervalMethod, without: int | None) -> Sample:
        where = np.ones(len(self._fold), np.bool_) if without is None else self._fold != without
        if self._wants_error_model(method):
            where &= ~self._teaches
        return self._sample(method, where, without)

    def judging(self, method: IntervalMethod, fold: int) -> Sample:
        return self._sample(method, self._fold == fold, fold)

    def aids(self, method: IntervalMethod) -> Mapping[str, BaseEstimator]:
        if method is IntervalMethod.CQR:
            return self._quantiles().served
        return self._error_model(None).served if self._wants_error_model(method) else {}

    def unseen(self) -> Unseen:
        return Unseen(self._data.target, self._outputs.prediction, self._fold)

    def _wants_error_model(self, method: IntervalMethod) -> bool:
        return method is IntervalMethod.NORMALIZED and not self._trees_tell

    def _sample(self, method: IntervalMethod, where: NDArray[np.bool_], without: int | None) -> Sample:
        outputs, rows = pick(self._outputs, where), self._data.rows[where]
        if method is IntervalMethod.CQR:
            outputs = Outputs(outputs.prediction, None, *self._quantiles().predict(rows))
        elif self._wants_error_model(method):
            outputs = Outputs(outputs.prediction, self._error_model(without).spread(rows))
        return Sample(outputs, self._data.target[where])

    def _error_model(self, without: int | None) -> ErrorModel:
        seen = self._teaches if without is None else self._teaches & (self._fold != without)
        errors = np.abs(self._data.target - self._outputs.prediction)
        return ErrorModel.fit(self._data.rows[seen], errors[seen])

    def _quantiles(self) -> QuantilePair:
        if self._pair is None:
            self._pair = QuantilePair.fit(self._training.rows, self._training.target)
        return self._pair
