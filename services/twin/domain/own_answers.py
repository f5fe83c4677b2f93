"""What a model itself answers: remembered, or computed where it disturbs nobody and within its deadline."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from services.twin.domain.caching import PredictionCache, cache_key
from services.twin.domain.computing import compute_matrix, compute_row, compute_rows
from services.twin.domain.features import Columns, InputRow
from services.twin.domain.prediction import Matrix, MatrixPrediction, Model, Prediction, PredictionNotFinite
from services.twin.domain.serving import Corrections, DeadlineMissed, WorkPool

T = TypeVar("T")

# A model that answers a row within this time is computed inside the event loop: handing it to a thread and back costs
# about as much, and holds up the loop just the same. Such a call cannot be interrupted, and need not be.
INLINE_LIMIT_US = 500.0


class OwnAnswers:
    """Asks models, with the corrections in force.

    Every method raises `LevelInvalid` or `TooFewResiduals` if there is no interval of the level, what the model
    raises if it fails, and `DeadlineMissed`, `StillBusy` or `PoolFull` if its answer is not there in time.
    """

    def __init__(self, *, pool: WorkPool, cache: PredictionCache, corrections: Corrections) -> None:
        self._pool, self._cache, self._corrections = pool, cache, corrections

    async def row(self, model: Model, row: InputRow, level: float) -> Prediction:
        """One row, from the cache if the same was asked before.

        Raises
        ------
        QualityBad, PredictionNotFinite
            If the row cannot be used.
        """
        row.require_good()
        # An Uncertain value leaves the number as it is and changes what is said about it.
        if row.uncertain:
            return await self.fresh_row(model, row, level)
        correction = self._corrections.of(model.name, model.version)
        key = cache_key(model, row.values, level, correction.revision if correction else 0)
        prediction = await self._cache.get(key, model, level)
        if prediction is None:
            prediction = await self.fresh_row(model, row, level)
            self._cache.put(key, model, prediction)
        return prediction

    async def fresh_row(self, model: Model, row: InputRow, level: float) -> Prediction:
        """One row, computed; raises as `row`."""
        correction = self._corrections.of(model.name, model.version)
        if model.row_us < INLINE_LIMIT_US:
            return compute_row(model, row, level, correction)
        return await self._in_pool(model, lambda: compute_row(model, row, level, correction))

    async def rows(
        self, model: Model, rows: Sequence[InputRow], level: float
    ) -> Sequence[Prediction | PredictionNotFinite]:
        """Rows without a Bad value, in one run; a batch costs little more than a look into the cache would."""
        correction = self._corrections.of(model.name, model.version)
        return await self._in_pool(model, lambda: compute_rows(model, rows, level, correction))

    async def matrix(self, model: Model, rows: Matrix | Columns, level: float) -> tuple[Matrix, MatrixPrediction]:
        """Rows of a matrix, all or none; raises also as `compute_matrix`."""
        correction = self._corrections.of(model.name, model.version)
        return await self._in_pool(model, lambda: compute_matrix(model, rows, level, correction))

    async def _in_pool(self, model: Model, call: Callable[[], T]) -> T:
        deadline_s = model.fail_safe.deadline_s
        try:
            async with asyncio.timeout(deadline_s) as timer:
                return await self._pool.run(call, owner=model.digest)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise DeadlineMissed(model.name, deadline_s) from error
