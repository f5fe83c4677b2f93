"""Beginning, reading, ending and promoting experiments: the database and this replica in step."""

from collections.abc import Mapping
from uuid import uuid4

from anyio import to_thread

from services.twin.adapters.experiment_tallies import ExperimentTallies
from services.twin.adapters.model_catalogue import ModelCatalogue
from services.twin.adapters.sql_experiments import SqlExperiments
from services.twin.adapters.sql_observed_errors import SqlObservedErrors
from services.twin.adapters.sql_registry import SqlRegistry
from services.twin.domain.experiment_report import ExperimentReport, make_report
from services.twin.domain.experiments import Experiment, Plan
from services.twin.domain.registry import ModelVersion
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)


class StoredExperiments:
    """Implements `experiment_report.ExperimentDesk`."""

    def __init__(
        self,
        *,
        sql: SqlExperiments,
        registry: SqlRegistry,
        observed: SqlObservedErrors,
        tallies: ExperimentTallies,
        catalogue: ModelCatalogue,
        clock: Clock,
    ) -> None:
        self._sql, self._registry, self._observed = sql, registry, observed
        self._tallies, self._catalogue, self._clock = tallies, catalogue, clock

    async def start(self, model: str, plan: Plan, *, user: str) -> ExperimentReport:
        self._catalogue.refuse_built_in(model)
        # First loaded, then begun: a version that cannot be served must not get its share of the requests.
        for arm in plan.arms:
            digest = await to_thread.run_sync(self._registry.archive_digest, model, arm.version)
            await self._catalogue.load(digest)
        wanted = Experiment(model, uuid4().hex, plan, self._clock.now(), user)
        experiment = await to_thread.run_sync(self._sql.start, wanted)
        await self._catalogue.refresh()
        log.info("experiment_started", model=model, versions=plan.versions, sticky=plan.sticky.value, user=user)
        return await self._report(experiment.model)

    async def report(self, model: str) -> ExperimentReport:
        self._catalogue.refuse_built_in(model)
        return await self._report(model)

    async def end(self, model: str) -> None:
        self._catalogue.refuse_built_in(model)
        await to_thread.run_sync(self._sql.end, model)
        await self._catalogue.refresh()
        log.info("experiment_ended", model=model)

    async def promote(self, model: str, variant: str) -> ModelVersion:
        self._catalogue.refuse_built_in(model)
        experiment, _ = await to_thread.run_sync(self._sql.find, model)
        version = experiment.plan.versions.get(variant)
        if version is not None:
            # It may have made room for others meanwhile.
            await self._catalogue.load(await to_thread.run_sync(self._registry.archive_digest, model, version))
        promoted = await to_thread.run_sync(self._sql.promote, model, variant)
        await self._catalogue.refresh()
        log.info("variant_promoted", model=model, variant=variant, version=promoted.version)
        return promoted

    async def _report(self, model: str) -> ExperimentReport:
        await self._tallies.flush()
        return await to_thread.run_sync(self._read_report, model)

    def _read_report(self, model: str) -> ExperimentReport:
        experiment, counts = self._sql.find(model)
        target = self._registry.find(model).active.card.get("target")
        unit = target.get("unit") if isinstance(target, Mapping) else None
        observed = self._observed.since_start(experiment)
        return make_report(experiment, counts, observed, unit=unit if isinstance(unit, str) else None)
