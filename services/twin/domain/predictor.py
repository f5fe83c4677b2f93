"""The use case behind every prediction.

Read the inputs, choose the version, look into the cache, compute within the deadline, stand in where that fails, and
let the watches and the meter know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.twin.domain.features import Columns, InputRow, InputsInvalid, QualityBad
from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.prediction import BatchPrediction, Matrix, MatrixPrediction, Model, Prediction
from services.twin.domain.rescue import Rescue
from services.twin.domain.serving import Answer, Choice, Meter, Models, PredictionWatch, Requester, Variants
from services.twin.domain.shadows import Shadows
from services.twin.domain.stuck import StuckSensors
from shared.clock import Clock
from shared.errors import JSON, AppError, Kind


class BatchTooLarge(AppError):
    """The batch holds more inputs than one request may."""

    kind, code = Kind.TOO_LARGE, "twin.batch_too_large"

    def __init__(self, *, limit_rows: int, rows: int) -> None:
        super().__init__(
            f"a batch holds at most {limit_rows} inputs, this one {rows}", limit_rows=limit_rows, rows=rows
        )


class Predictor:
    """Answers single rows, batches and matrices.

    Parameters
    ----------
    watches
        Each sees every prediction, in this order.
    batch_limit_rows
        Most inputs of one batch.
    """

    def __init__(
        self,
        *,
        models: Models,
        answers: OwnAnswers,
        variants: Variants,
        shadows: Shadows,
        rescue: Rescue,
        stuck_sensors: StuckSensors,
        meter: Meter,
        watches: Sequence[PredictionWatch],
        clock: Clock,
        batch_limit_rows: int,
    ) -> None:
        self._models, self._answers, self._variants, self._shadows = models, answers, variants, shadows
        self._rescue, self._stuck_sensors = rescue, stuck_sensors
        self._meter, self._watches, self._clock = meter, tuple(watches), clock
        self._batch_limit_rows = batch_limit_rows

    async def predict(
        self, model: str | None, inputs: Mapping[str, JSON], *, level: float, requester: Requester
    ) -> Answer[Prediction]:
        """Predict one row.

        Raises
        ------
        ModelMissing, ModelUnnamed
            If there is no such model.
        InputsInvalid
            If the inputs are not what the model takes.
        QualityBad, PredictionNotFinite, ModelFailed, DeadlineMissed, StillBusy, PoolFull
            If the model has no answer and its fail-safe policy none either.
        LevelInvalid, TooFewResiduals
            If the calibration gives no interval of this level.
        """
        found, choice = await self._choose(model, requester)
        start_s = self._clock.monotonic_s()
        try:
            prediction = await self._predict(found, inputs, level, requester.asset)
        except AppError:
            self._meter.refused(found.name, found.version)
            raise
        if choice is not None:
            prediction = replace(prediction, variant=choice.variant)
        duration_s = self._clock.monotonic_s() - start_s
        self._meter.predicted(found.name, found.version, rows=1, refused=0, duration_s=duration_s)
        answer = Answer(prediction, duration_s, self._clock.now())
        self._show(answer, inputs, requester, choice)
        return answer

    async def predict_batch(
        self, model: str | None, inputs: Sequence[Mapping[str, JSON]], *, level: float, requester: Requester
    ) -> Answer[BatchPrediction]:
        """Predict a batch; an input that cannot be used does not hold up the others.

        Raises
        ------
        BatchTooLarge
            If it holds more inputs than one request may.
        AppError
            As `predict`, for what concerns the request as a whole.
        """
        self._require_size(len(inputs))
        found, choice = await self._choose(model, requester)
        start_s = self._clock.monotonic_s()
        # A level that the calibration cannot give is refused whatever the batch holds.
        found.calibration.score(level)
        rows = [_read(found, row, index) for index, row in enumerate(inputs)]
        results = await self._predict_rows(found, rows, level, requester.asset)
        variant = None if choice is None else choice.variant
        if variant is not None:
            results = [replace(r, variant=variant) if isinstance(r, Prediction) else r for r in results]
        batch = BatchPrediction(found.name, found.version, found.unit, tuple(results), variant)
        duration_s = self._clock.monotonic_s() - start_s
        refused = len(inputs) - batch.successful
        self._meter.predicted(found.name, found.version, rows=batch.successful, refused=refused, duration_s=duration_s)
        answer = Answer(batch, duration_s, self._clock.now())
        for asked, result in zip(inputs, results, strict=True):
            if isinstance(result, Prediction):
                self._show(Answer(result, duration_s, answer.answered_at), asked, requester, choice)
        return answer

    async def predict_matrix(
        self, model: str | None, version: str | None, rows: Matrix | Columns, *, level: float, requester: Requester
    ) -> Answer[MatrixPrediction]:
        """Predict many rows, all of them or none; no fail-safe policy is taken.

        Parameters
        ----------
        version
            Left out, the one that an experiment chooses, or the active one.
        rows
            `(n, f)` in the model's own order, or columns by name.

        Raises
        ------
        BatchTooLarge
            If there are more rows than one batch may hold.
        InputsInvalid
            If a value is not finite or outside its range; every one is listed.
        AppError
            As `predict`.
        """
        self._require_size(len(rows))
        if version is None:
            found, choice = await self._choose(model, requester)
        else:
            # The active version may be another one that cannot be loaded, so it is not asked for.
            name = (await self._models.get(None)).name if model is None else model
            found, choice = await self._models.get_version(name, version), None
        start_s = self._clock.monotonic_s()
        values, matrix = await self._answers.matrix(found, rows, level)
        if choice is not None:
            matrix = replace(matrix, variant=choice.variant)
        duration_s = self._clock.monotonic_s() - start_s
        self._meter.predicted(found.name, found.version, rows=len(rows), refused=0, duration_s=duration_s)
        answer = Answer(matrix, duration_s, self._clock.now())
        for row, prediction in zip(values.tolist(), matrix.predictions(), strict=True):
            asked = dict(zip(found.applicability.names, row, strict=True))
            self._show(Answer(prediction, duration_s, answer.answered_at), asked, requester, choice)
        return answer

    async def _choose(self, name: str | None, requester: Requester) -> tuple[Model, Choice | None]:
        """The version that answers: the active one, unless an experiment says otherwise."""
        found = await self._models.get(name)
        # Without a key of its own, an asset stays with the variant that answered it before.
        key = requester.sticky_key or requester.asset
        choice = self._variants.choose(found.name, sticky_key=key, request_id=requester.request_id)
        if choice is not None and choice.version != found.version:
            found = await self._models.get_version(found.name, choice.version)
        return found, choice

    async def _predict(self, model: Model, inputs: Mapping[str, JSON], level: float, asset: str | None) -> Prediction:
        row = model.reader.read_row(inputs)
        region = model.applicability
        stuck = self._stuck_sensors.follow(model.name, asset, region.names, row.values, region.longest_runs)
        try:
            prediction = await self._answers.row(model, row, level)
        except AppError as error:
            prediction = self._rescue.answer(model, row, level, asset, error)
        else:
            self._rescue.remember(model, prediction, asset)
        if not stuck:
            return prediction
        self._meter.stuck(model.name, features=len(stuck))
        return replace(prediction, stuck=stuck)

    async def _predict_rows(
        self, model: Model, rows: Sequence[InputRow | InputsInvalid], level: float, asset: str | None
    ) -> list[Prediction | AppError]:
        """Compute the good rows in one run, then stand in for the others, in order."""
        good = [row for row in rows if isinstance(row, InputRow) and not row.bad]
        failure: AppError | None = None
        computed: Sequence[Prediction | AppError] = ()
        try:
            if good:
                computed = await self._answers.rows(model, good, level)
        except AppError as error:
            failure = error
        answers = iter(computed)
        results: list[Prediction | AppError] = []
        for row in rows:
            if isinstance(row, InputsInvalid):
                results.append(row)
            else:
                answer = _quality_fault(row) or failure or next(answers)
                results.append(self._answer_or_stand_in(model, row, level, asset, answer))
        if failure is not None and not any(isinstance(result, Prediction) for result in results):
            raise failure
        return results

    def _answer_or_stand_in(
        self, model: Model, row: InputRow, level: float, asset: str | None, answer: Prediction | AppError
    ) -> Prediction | AppError:
        if isinstance(answer, Prediction):
            self._rescue.remember(model, answer, asset)
            return answer
        try:
            return self._rescue.answer(model, row, level, asset, answer)
        except AppError as error:
            return error

    def _show(
        self,
        answer: Answer[Prediction],
        inputs: Mapping[str, JSON],
        requester: Requester,
        choice: Choice | None,
    ) -> None:
        for watch in self._watches:
            watch.seen(answer, inputs, requester)
        if choice is not None:
            self._shadows.compare(choice.shadows, answer.content, inputs, requester)

    def _require_size(self, rows: int) -> None:
        if rows > self._batch_limit_rows:
            raise BatchTooLarge(limit_rows=self._batch_limit_rows, rows=rows)


def _read(model: Model, inputs: Mapping[str, JSON], index: int) -> InputRow | InputsInvalid:
    try:
        return model.reader.read_row(inputs, f"/inputs/{index}")
    except InputsInvalid as error:
        return error


def _quality_fault(row: InputRow) -> QualityBad | None:
    try:
        row.require_good()
    except QualityBad as error:
        return error
    return None
