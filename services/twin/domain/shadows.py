"""Versions that answer in the shadow of the one that is asked: compared, never returned, never waited for."""

import asyncio
from collections.abc import Mapping, Sequence

from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Models, Requester, ShadowWatch
from shared.errors import JSON, AppError

# Comparisons under way at once; beyond that they are left out, so that shadows never crowd out those they shadow.
_MOST_UNDER_WAY = 64


class Shadows:
    """Computes what other versions would have answered, in the background."""

    def __init__(self, *, models: Models, answers: OwnAnswers, watch: ShadowWatch) -> None:
        self._models, self._answers, self._watch = models, answers, watch
        self._under_way: set[asyncio.Task[None]] = set()

    def compare(
        self,
        versions: Sequence[str],
        answered: Prediction,
        inputs: Mapping[str, JSON],
        requester: Requester,
    ) -> None:
        """Begin to compare an answer with what each version says to the same inputs."""
        for version in versions:
            if len(self._under_way) >= _MOST_UNDER_WAY:
                self._watch.failed(answered.model, version)
                continue
            task = asyncio.create_task(self._compare(version, answered, inputs, requester))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for the comparisons under way."""
        await asyncio.gather(*self._under_way)

    async def _compare(
        self, version: str, answered: Prediction, inputs: Mapping[str, JSON], requester: Requester
    ) -> None:
        try:
            model = await self._models.get_version(answered.model, version)
            row = model.reader.read_row(inputs)
            row.require_good()
            # Never from the cache: its hits would say nothing about the shadow, and its misses would fill it.
            shadow = await self._answers.fresh_row(model, row, answered.level)
        except AppError:
            self._watch.failed(answered.model, version)
        else:
            self._watch.compared(answered, shadow, requester)
