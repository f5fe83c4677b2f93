"""Counts what each arm of an experiment does, and adds it to what the other replicas counted about once a second.

A process that is killed loses its last second. While the database is away, counts are kept and added later.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter

from services.twin.adapters.sql_experiments import ArmKey, SqlExperiments
from services.twin.domain.experiment_report import Counts
from services.twin.domain.experiments import Experiment
from services.twin.domain.prediction import Prediction, Status
from services.twin.domain.serving import Answer, Requester
from shared.errors import JSON, AppError
from shared.log import get_logger

log = get_logger(__name__)


class RunningExperiments(Protocol):
    """Experiments at hand, without asking anybody."""

    def experiment_on(self, model: str) -> Experiment | None:
        """The experiment on a model, if there is one."""
        ...


@dataclass(slots=True)
class _Tally:
    predictions: int = 0
    cache_hits: int = 0
    fail_safes: int = 0
    refused: int = 0
    failed: int = 0
    compared: int = 0
    difference_sum: float = 0.0
    difference_max: float = 0.0

    def counts(self) -> Counts:
        return Counts(
            self.predictions,
            self.cache_hits,
            self.fail_safes,
            self.refused,
            self.failed,
            self.compared,
            self.difference_sum,
            self.difference_max,
        )

    def add(self, counts: Counts) -> None:
        self.predictions += counts.predictions
        self.cache_hits += counts.cache_hits
        self.fail_safes += counts.fail_safes
        self.refused += counts.refused
        self.failed += counts.failed
        self.compared += counts.compared
        self.difference_sum += counts.difference_sum
        self.difference_max = max(self.difference_max, counts.difference_max)


class ExperimentTallies:
    """Implements `serving.PredictionWatch` and `serving.ShadowWatch`; belongs to the event loop."""

    def __init__(self, running: RunningExperiments, sql: SqlExperiments, metrics: CollectorRegistry) -> None:
        self._running, self._sql = running, sql
        self._tallies: dict[ArmKey, _Tally] = {}
        self._flushing = asyncio.Lock()
        self._predictions = Counter(
            "futago_twin_variant_predictions",
            "Predictions by the variant of an experiment",
            ("model", "variant", "version"),
            registry=metrics,
        )

    def seen(
        self,
        answer: Answer[Prediction],
        inputs: Mapping[str, JSON],  # noqa: ARG002 (of the protocol)
        requester: Requester,  # noqa: ARG002
    ) -> None:
        """Count a prediction of a variant."""
        prediction = answer.content
        if prediction.variant is None:
            return
        tally = self._tally(prediction.model, prediction.version)
        if tally is not None:
            tally.predictions += 1
            tally.cache_hits += prediction.from_cache
            tally.fail_safes += prediction.status is not Status.OK
            self._predictions.labels(prediction.model, prediction.variant, prediction.version).inc()

    def refused(self, model: str, version: str, rows: int) -> None:
        """Count rows that a variant had no answer for."""
        tally = self._tally(model, version)
        if tally is not None:
            tally.refused += rows

    def compared(self, answered: Prediction, shadow: Prediction, requester: Requester) -> None:  # noqa: ARG002
        """Count a shadow's difference from what was answered."""
        tally = self._tally(shadow.model, shadow.version)
        if tally is not None:
            difference = abs(shadow.prediction - answered.prediction)
            tally.compared += 1
            tally.difference_sum += difference
            tally.difference_max = max(tally.difference_max, difference)

    def failed(self, model: str, version: str) -> None:
        """Count a row that an arm failed on; for a shadow also one that there was no time for."""
        tally = self._tally(model, version)
        if tally is not None:
            tally.failed += 1

    async def flush(self) -> None:
        """Add what was counted here to the counts of all.

        Raises
        ------
        DatabaseUnavailable
            If they cannot be added now; they are kept.
        """
        async with self._flushing:
            counted = {key: tally.counts() for key, tally in self._tallies.items()}
            if not counted:
                return
            self._tallies = {}
            try:
                await to_thread.run_sync(self._sql.add, counted)
            except AppError:
                for key, counts in counted.items():
                    self._tallies.setdefault(key, _Tally()).add(counts)
                raise

    async def follow(self, every_s: float, stop: asyncio.Event) -> None:
        """Flush until told to stop."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
                return
            await self.try_to_flush()

    async def try_to_flush(self) -> None:
        """Flush; what cannot be added now is kept for as long as this process runs."""
        try:
            await self.flush()
        except AppError as error:
            log.warning("experiment_counts_delayed", code=error.code)

    def _tally(self, model: str, version: str) -> _Tally | None:
        experiment = self._running.experiment_on(model)
        arm = None if experiment is None else experiment.arm_of(version)
        if experiment is None or arm is None:
            return None
        return self._tallies.setdefault((experiment.experiment_id, arm.name), _Tally())
