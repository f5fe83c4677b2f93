"""Counts what each arm of an experiment does, and adds it to what the other replicas counted about once a second.

A process that is killed loses its last second. While the database is away, counts are kept and added later.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter

from services.twin.adapters.sql_experiments import ArmKey, SqlExperiments
from services.twin.domain.experiment_report import Counts
from services.twin.domain.experiments import Arm, Experiment
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


class ExperimentTallies:
    """Implements `serving.PredictionWatch` and `serving.ShadowWatch`; belongs to the event loop."""

    def __init__(self, running: RunningExperiments, sql: SqlExperiments, metrics: CollectorRegistry) -> None:
        self._running, self._sql = running, sql
        self._counted: dict[ArmKey, Counts] = {}
        self._flushing = asyncio.Lock()
        self.predictions = Counter(
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
        # By its name: what a variant holds may have come from another version.
        experiment = self._running.experiment_on(prediction.model)
        arm = None if experiment is None else experiment.variant(prediction.variant)
        if experiment is None or arm is None:
            return
        counts = Counts(
            predictions=1,
            # Numbers, because PostgreSQL adds no truth values.
            cache_hits=int(prediction.from_cache),
            fail_safes=int(prediction.status is not Status.OK),
        )
        self._count(experiment, arm, counts)
        self.predictions.labels(prediction.model, arm.name, arm.version).inc()

    def refused(self, model: str, version: str, rows: int) -> None:
        """Count rows that a variant had no answer for."""
        self._count_version(model, version, Counts(refused=rows))

    def compared(self, answered: Prediction, shadow: Prediction, requester: Requester) -> None:  # noqa: ARG002
        """Count a shadow's difference from what was answered."""
        difference = abs(shadow.prediction - answered.prediction)
        counts = Counts(compared=1, difference_sum=difference, difference_max=difference)
        self._count_version(shadow.model, shadow.version, counts)

    def failed(self, model: str, version: str) -> None:
        """Count a row that an arm failed on; for a shadow also one that there was no time for."""
        self._count_version(model, version, Counts(failed=1))

    async def flush(self) -> None:
        """Add what was counted here to the counts of all.

        Raises
        ------
        DatabaseUnavailable
            If they cannot be added now; they are kept.
        """
        async with self._flushing:
            counted, self._counted = self._counted, {}
            if not counted:
                return
            try:
                await to_thread.run_sync(self._sql.add, counted)
            except AppError:
                for key, counts in counted.items():
                    self._add(key, counts)
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
        except Exception:
            # A bug here must not end the following: this replica would count for ever and add nothing.
            log.exception("experiment_counts_lost")

    def _count_version(self, model: str, version: str, counts: Counts) -> None:
        experiment = self._running.experiment_on(model)
        arm = None if experiment is None else experiment.arm_of(version)
        if experiment is not None and arm is not None:
            self._count(experiment, arm, counts)

    def _count(self, experiment: Experiment, arm: Arm, counts: Counts) -> None:
        self._add((experiment.experiment_id, arm.name), counts)

    def _add(self, key: ArmKey, counts: Counts) -> None:
        known = self._counted.get(key)
        self._counted[key] = counts if known is None else known + counts
