"""What this replica serves: the versions of each model, loaded when needed, its experiment and its alert rules.

A replica reads one counter about once a second. When it has moved, the new active versions of models in use and the
versions of new experiments are loaded first and switched to afterwards, so that no request waits or fails.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.last_registry import LastRegistry
from services.twin.adapters.model_cache import ModelCache
from services.twin.adapters.onnx_model import ServedModel
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_experiments import SqlExperiments
from services.twin.adapters.sql_registry import SqlRegistry, StoredModel
from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.experiments import Experiment
from services.twin.domain.registry import ModelBuiltIn, ModelMissing, ModelUnnamed, VersionMissing
from services.twin.domain.serving import Choice
from shared.database import DatabaseUnavailable
from shared.errors import AppError, Kind
from shared.log import get_logger

log = get_logger(__name__)

# No generation of the database is negative: the next reading finds that something has changed.
_TRY_AGAIN = -1


class RegistryNotRead(AppError):
    """This process has not been able to read the registry since it started."""

    kind, code = Kind.UNAVAILABLE, "twin.registry_not_read"

    def __init__(self) -> None:
        super().__init__("the registry of models has not answered yet", retry_after_s=2.0)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    generation: int
    models: Mapping[str, StoredModel]
    experiments: Mapping[str, Experiment]
    rules: Mapping[str, AlertRules]


class ModelCatalogue:
    """Implements `serving.Models`, `serving.Variants` and `alerting.RuleBook`.

    Parameters
    ----------
    loaded_limit, loaded_limit_bytes
        Most models of the registry in memory, and most bytes of their bundles [bytes].
    built_in
        A model that the configuration names, served besides those of the registry; one of the same name there wins.
    default_model
        Answers requests that name no model; otherwise the built-in one does, or the only one there is.
    """

    def __init__(
        self,
        *,
        sql: SqlRegistry,
        rules: SqlAlertRules,
        experiments: SqlExperiments,
        files: BundleFiles,
        last: LastRegistry,
        loaded_limit: int,
        loaded_limit_bytes: int,
        built_in: ServedModel | None,
        default_model: str | None,
        metrics: CollectorRegistry,
    ) -> None:
        self._sql, self._rules_table, self._experiments_table, self._files = sql, rules, experiments, files
        self._last = last
        self._cache = ModelCache(loaded_limit, loaded_limit_bytes, self._load)
        self.built_in, self._default_model = built_in, default_model
        self._snapshot: _Snapshot | None = None
        self._refreshing = asyncio.Lock()
        # Loading takes a core for seconds: one at a time leaves the other to the requests.
        self._loader = CapacityLimiter(1)
        self._failures = Counter("futago_twin_registry_failures", "Readings that failed", registry=metrics)
        loaded = Gauge("futago_twin_models_loaded", "Models in memory", registry=metrics)
        loaded.set_function(lambda: len(self._cache) + (built_in is not None))
        loaded_bytes = Gauge("futago_twin_models_loaded_bytes", "Bundle bytes of published models", registry=metrics)
        loaded_bytes.set_function(lambda: self._cache.size_bytes)

    async def get(self, name: str | None) -> ServedModel:
        """The active version of a model, or of the default one.

        Raises
        ------
        ModelMissing, ModelUnnamed
            If there is none.
        RegistryNotRead
            If that cannot be known yet.
        """
        wanted = self._default() if name is None else name
        stored = self._models().get(wanted)
        if stored is not None:
            return await self._loaded(stored.archive_digests[stored.active])
        if self.built_in is not None and self.built_in.name == wanted:
            return self.built_in
        if self._snapshot is None:
            raise RegistryNotRead
        raise ModelMissing(wanted)

    async def get_version(self, name: str, version: str) -> ServedModel:
        """One version of a model, active or not.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is none.
        RegistryNotRead
            If that cannot be known yet.
        """
        stored = self._models().get(name)
        if stored is not None and version in stored.archive_digests:
            return await self._loaded(stored.archive_digests[version])
        if stored is None and self.built_in is not None and self.built_in.name == name:
            if self.built_in.version == version:
                return self.built_in
            raise VersionMissing(name, version)
        if self._snapshot is None:
            raise RegistryNotRead
        raise ModelMissing(name) if stored is None else VersionMissing(name, version)

    def choose(self, model: str, *, sticky_key: str | None, request_id: str) -> Choice | None:
        """Which version answers a request, if an experiment runs on the model."""
        experiment = self.experiment_on(model)
        return None if experiment is None else experiment.choose(sticky_key=sticky_key, request_id=request_id)

    def experiment_on(self, model: str) -> Experiment | None:
        """The experiment on a model, as this replica last read it and once its versions are in memory."""
        return None if self._snapshot is None else self._snapshot.experiments.get(model)

    def versions(self, model: str) -> tuple[str, ...]:
        """The versions that an observation is compared with: the active one and those of the experiment."""
        stored, experiment = self._models().get(model), self.experiment_on(model)
        active = [] if stored is None else [stored.active]
        arms = [] if experiment is None else [arm.version for arm in experiment.plan.arms]
        # Each once, in this order.
        return tuple(dict.fromkeys(active + arms))

    def served(self) -> Sequence[tuple[str, str]]:
        """Name and active version of every model, by name."""
        names = {name: stored.active for name, stored in self._models().items()}
        if self.built_in is not None:
            names.setdefault(self.built_in.name, self.built_in.version)
        return sorted(names.items())

    def is_served(self, model: str, version: str) -> bool:
        """Whether requests can reach this version; yes as long as the registry was never read."""
        stored = self._models().get(model)
        if stored is not None:
            return version in stored.archive_digests
        return self._snapshot is None or (self.built_in is not None and self.built_in.name == model)

    def is_published(self, model: str) -> bool:
        """Whether the registry has a model of this name, as this replica last read it."""
        return model in self._models()

    def refuse_built_in(self, model: str) -> None:
        """Refuse a change to the model that the configuration names.

        Raises
        ------
        ModelBuiltIn
            If it is that one, and none of the registry stands in its place.
        """
        if self.built_in is not None and self.built_in.name == model and not self.is_published(model):
            raise ModelBuiltIn(model)

    def rules_of(self, model: str) -> AlertRules | None:
        """The alert rules of a model, as this replica last read them."""
        return None if self._snapshot is None else self._snapshot.rules.get(model)

    def keep(self, archive_digest: str, model: ServedModel) -> None:
        """Keep a model that was just published here, so that its first request need not wait."""
        self._cache.put(archive_digest, model)

    async def load(self, archive_digest: str) -> None:
        """Have a version in memory before it is switched to; raises as `BundleFiles.load`."""
        await self._cache.get(archive_digest)

    async def refresh(self) -> None:
        """Read what has changed, load what is in use, then switch.

        Raises
        ------
        DatabaseUnavailable
            If the registry cannot be read; what was read before stays in force, also by an earlier process here.
        """
        async with self._refreshing:
            try:
                snapshot = await to_thread.run_sync(self._read_changes)
            except DatabaseUnavailable:
                kept = await to_thread.run_sync(self._last.read) if self._snapshot is None else None
                if kept is not None:
                    self._snapshot = _Snapshot(_TRY_AGAIN, kept, {}, {})
                raise
            if snapshot is not None:
                self._snapshot = await self._prepare(snapshot)
                await to_thread.run_sync(self._last.write, snapshot.models)

    async def follow(self, every_s: float, stop: asyncio.Event) -> None:
        """Refresh until told to stop; a reading that fails is counted and tried again.

        Stopped by an event, because a cancelled task would leave its thread behind with a connection in its hands.
        """
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
                return
            try:
                await self.refresh()
            except AppError as error:
                self._failures.inc()
                log.warning("registry_not_read", code=error.code)
            except Exception:
                # A bug here must not end the following: this replica would go on with old versions and say nothing.
                self._failures.inc()
                log.exception("registry_not_read")

    async def check(self) -> None:
        """Probe: whether the registry was ever read.

        Raises
        ------
        RegistryNotRead
            If not. Once it was, this replica goes on with what it knows.
        """
        if self._snapshot is None:
            raise RegistryNotRead

    def _read_changes(self) -> _Snapshot | None:
        # The counter first: a change between the readings then shows as a counter that has moved again.
        generation = self._sql.generation()
        if self._snapshot is not None and self._snapshot.generation == generation:
            return None
        stored = self._sql.stored_models()
        return _Snapshot(generation, stored, self._experiments_table.all(), self._rules_table.all())

    async def _prepare(self, new: _Snapshot) -> _Snapshot:
        """Load what requests will ask for; what cannot be loaded stays with its former version, or its active one."""
        models, experiments = dict(new.models), dict(new.experiments)
        generation = new.generation
        for name, former in self._models().items():
            successor = models.get(name)
            digest = former.archive_digests[former.active]
            if successor is None or successor.archive_digests[successor.active] == digest or digest not in self._cache:
                continue
            if not await self._loads(name, successor, [successor.active]):
                models[name] = former
                generation = _TRY_AGAIN
        for name, experiment in new.experiments.items():
            versions = [arm.version for arm in experiment.plan.arms]
            stored = models.get(name)
            if stored is None or not await self._loads(name, stored, versions):
                del experiments[name]
                generation = _TRY_AGAIN
        return _Snapshot(generation, models, experiments, new.rules)

    async def _loads(self, name: str, stored: StoredModel, versions: Sequence[str]) -> bool:
        """Load versions, and say whether all of them can be."""
        for version in versions:
            digest = stored.archive_digests.get(version)
            try:
                if digest is None:
                    raise VersionMissing(name, version)
                await self._cache.get(digest)
            except AppError as error:
                log.warning("version_not_loaded", model=name, version=version, code=error.code)
                self._failures.inc()
                return False
        return True

    async def _loaded(self, archive_digest: str) -> ServedModel:
        return self._cache.peek(archive_digest) or await self._cache.get(archive_digest)

    async def _load(self, archive_digest: str) -> ServedModel:
        model = await to_thread.run_sync(self._files.load, archive_digest, limiter=self._loader)
        log.info("model_loaded", model=model.name, version=model.version, row_us=round(model.row_us, 1))
        return model

    def _models(self) -> Mapping[str, StoredModel]:
        return {} if self._snapshot is None else self._snapshot.models

    def _default(self) -> str:
        if self._default_model is not None:
            return self._default_model
        if self.built_in is not None:
            return self.built_in.name
        names = list(self._models())
        if len(names) == 1:
            return names[0]
        if self._snapshot is None:
            raise RegistryNotRead
        raise ModelUnnamed(sorted(names))
