"""What this replica serves: the active version of each model, loaded when needed, and the alert rules.

A replica reads one counter about once a second. When it has moved, the new active versions of models in use are
loaded first and switched to afterwards, so that no request waits or fails.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.model_cache import ModelCache
from services.twin.adapters.onnx_model import ServedModel
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_registry import ActiveVersion, SqlRegistry
from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.registry import ModelMissing, ModelUnnamed
from shared.errors import AppError, Kind
from shared.log import get_logger

log = get_logger(__name__)


class RegistryNotRead(AppError):
    """This process has not been able to read the registry since it started."""

    kind, code = Kind.UNAVAILABLE, "twin.registry_not_read"

    def __init__(self) -> None:
        super().__init__("the registry of models has not answered yet", retry_after_s=2.0)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    generation: int
    active: Mapping[str, ActiveVersion]
    rules: Mapping[str, AlertRules]


class ModelCatalogue:
    """Implements `predictor.Models` and `alerting.RuleBook`.

    Parameters
    ----------
    loaded_limit
        Most models of the registry in memory.
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
        files: BundleFiles,
        loaded_limit: int,
        built_in: ServedModel | None,
        default_model: str | None,
        metrics: CollectorRegistry,
    ) -> None:
        self._sql, self._rules_table, self._files = sql, rules, files
        self._cache = ModelCache(loaded_limit, self._load)
        self.built_in, self._default_model = built_in, default_model
        self._snapshot: _Snapshot | None = None
        self._refreshing = asyncio.Lock()
        # Loading takes a core for seconds: one at a time leaves the other to the requests.
        self._loader = CapacityLimiter(1)
        self._failures = Counter("futago_twin_registry_failures", "Readings that failed", registry=metrics)
        loaded = Gauge("futago_twin_models_loaded", "Models in memory", registry=metrics)
        loaded.set_function(lambda: len(self._cache) + (built_in is not None))

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
        active = self._active().get(wanted)
        if active is not None:
            return self._cache.peek(active.archive_digest) or await self._cache.get(active.archive_digest)
        if self.built_in is not None and self.built_in.name == wanted:
            return self.built_in
        if self._snapshot is None:
            raise RegistryNotRead
        raise ModelMissing(wanted)

    def served(self) -> Sequence[tuple[str, str]]:
        """Name and active version of every model, by name."""
        names = {name: active.version for name, active in self._active().items()}
        if self.built_in is not None:
            names.setdefault(self.built_in.name, self.built_in.version)
        return sorted(names.items())

    def is_published(self, model: str) -> bool:
        """Whether the registry has a model of this name, as this replica last read it."""
        return model in self._active()

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
            If the registry cannot be read; what was read before stays in force.
        """
        async with self._refreshing:
            snapshot = await to_thread.run_sync(self._read_changes)
            if snapshot is not None:
                self._snapshot = await self._prepare(snapshot)

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
        return _Snapshot(generation, self._sql.active_versions(), self._rules_table.all())

    async def _prepare(self, new: _Snapshot) -> _Snapshot:
        """Load the new versions of models in use; one that cannot be loaded stays with its former version."""
        active = dict(new.active)
        generation = new.generation
        for name, former in self._active().items():
            successor = active.get(name)
            if successor is None or successor == former or former.archive_digest not in self._cache:
                continue
            try:
                await self._cache.get(successor.archive_digest)
            except AppError as error:
                log.warning("version_not_loaded", model=name, version=successor.version, code=error.code)
                self._failures.inc()
                active[name] = former
                # No generation of the database is negative, so the next reading tries again.
                generation = -1
        return _Snapshot(generation, active, new.rules)

    async def _load(self, archive_digest: str) -> ServedModel:
        model = await to_thread.run_sync(self._files.load, archive_digest, limiter=self._loader)
        log.info("model_loaded", model=model.name, version=model.version, row_us=round(model.row_us, 1))
        return model

    def _active(self) -> Mapping[str, ActiveVersion]:
        return {} if self._snapshot is None else self._snapshot.active

    def _default(self) -> str:
        if self._default_model is not None:
            return self._default_model
        if self.built_in is not None:
            return self.built_in.name
        names = list(self._active())
        if len(names) == 1:
            return names[0]
        if self._snapshot is None:
            raise RegistryNotRead
        raise ModelUnnamed(sorted(names))
