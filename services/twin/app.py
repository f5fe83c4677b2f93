"""The twin's process: the one place where its objects meet."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import Engine

from services.twin.adapters.alert_outbox import AlertOutbox
from services.twin.adapters.alert_sender import AlertSender
from services.twin.adapters.arm_meter import ArmMeter
from services.twin.adapters.asset_predictions import AssetPredictions
from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.bundle_registry import BundleRegistry
from services.twin.adapters.clean_up import rules
from services.twin.adapters.experiment_desk import StoredExperiments
from services.twin.adapters.experiment_tallies import ExperimentTallies
from services.twin.adapters.key_ring import KeyRing
from services.twin.adapters.last_registry import LastRegistry
from services.twin.adapters.live_states import LiveStates
from services.twin.adapters.model_catalogue import ModelCatalogue
from services.twin.adapters.model_info import ModelInfo
from services.twin.adapters.onnx_model import ServedModel, load_model
from services.twin.adapters.prediction_cache import LayeredPredictionCache
from services.twin.adapters.prediction_metrics import LABELS, PredictionMetrics
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_experiments import SqlExperiments
from services.twin.adapters.sql_observations import SqlObservations
from services.twin.adapters.sql_observed_errors import SqlObservedErrors
from services.twin.adapters.sql_registry import SqlRegistry
from services.twin.adapters.sql_trusted_keys import SqlTrustedKeys
from services.twin.adapters.tables import HISTORY, SCRIPTS, history
from services.twin.adapters.work_pool import BoundedPool
from services.twin.domain.alerting import AlertRuleStore
from services.twin.domain.caching import NoCache
from services.twin.domain.experiment_report import ExperimentDesk
from services.twin.domain.observing import Observer
from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.predictor import Predictor
from services.twin.domain.registry import ModelRegistry
from services.twin.domain.rescue import Rescue
from services.twin.domain.serving import PredictionWatch
from services.twin.domain.shadows import Shadows
from services.twin.domain.stuck import StuckSensors
from services.twin.domain.trust import TrustedKeys
from services.twin.routes import (
    alert_rules,
    experiments,
    models,
    observations,
    open_inference,
    predictions,
    timeseries,
    trusted_keys,
)
from services.twin.routes.guide import GUIDE
from services.twin.settings import TwinSettings
from shared.background import running
from shared.clock import Clock, SystemClock
from shared.database import DatabaseUnavailable, is_current, open_engine
from shared.database_metrics import DatabaseMetrics
from shared.errors import AppError
from shared.events import publish_alert
from shared.history import History, HistoryWriter, SqlHistory
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import IdentityVerifier
from shared.log import get_logger
from shared.onnx.bundle import open_bundle
from shared.onnx.signing import TrustStore
from shared.redis_client import async_client
from shared.redis_metrics import RedisMetrics
from shared.retention import CleanUp, days
from shared.startup import CannotStart, Check, readable_file, run_checks, writable_folder
from shared.store import Store

log = get_logger(__name__)


class _Tables:
    """The twin's tables, each behind its adapter."""

    def __init__(self, engine: Engine) -> None:
        self.registry = SqlRegistry(engine)
        self.rules = SqlAlertRules(engine)
        self.experiments = SqlExperiments(engine)
        self.observations = SqlObservations(engine)
        self.observed_errors = SqlObservedErrors(engine)
        self.trusted_keys = SqlTrustedKeys(engine)


class _Twin:
    """The parts of one process, made from its settings."""

    def __init__(self, settings: TwinSettings, clock: Clock, engine: Engine) -> None:
        self.settings, self.clock, self.engine = settings, clock, engine
        self.metrics = ServiceMetrics(settings.service, series_limit=settings.series_limit)
        DatabaseMetrics(self.metrics.registry, engine)
        self.tables = _Tables(engine)
        self.trust = TrustStore(settings.trust_dir, self.tables.trusted_keys.public_keys)
        self.files = BundleFiles(Store(settings.store_url), self.trust, settings.cache_dir)
        self.catalogue = ModelCatalogue(
            sql=self.tables.registry,
            rules=self.tables.rules,
            experiments=self.tables.experiments,
            files=self.files,
            last=LastRegistry(settings.cache_dir),
            loaded_limit=settings.loaded_models_limit,
            loaded_limit_bytes=settings.loaded_models_limit_bytes,
            built_in=_built_in(settings, self.trust),
            default_model=settings.default_model,
            metrics=self.metrics.registry,
        )
        self.pool = BoundedPool(
            threads=settings.compute_threads,
            waiting_limit=settings.compute_waiting_limit,
            metrics=self.metrics.registry,
        )
        self.redis_metrics = RedisMetrics(self.metrics.registry)
        self.redis: Redis = self.redis_metrics.watch(async_client(settings.redis_url.get_secret_value()))
        self.outbox = AlertOutbox(partial(publish_alert, self.redis), self.metrics.registry)
        self.cache = _cache(settings, clock, self.metrics, self.redis_metrics)
        self.live = LiveStates(
            sql=self.tables.observations,
            outbox=self.outbox,
            clock=clock,
            metrics=self.metrics.registry,
        )
        self.answers = OwnAnswers(pool=self.pool, cache=self.cache or NoCache(), corrections=self.live)
        self.tallies = ExperimentTallies(self.catalogue, self.tables.experiments, self.metrics.registry)
        self.shadows = Shadows(models=self.catalogue, answers=self.answers, watch=self.tallies)
        self.assets = AssetPredictions(self.metrics.bounds)
        self.history = SqlHistory(engine, history, interval_s=settings.history_interval_s)
        self.predictor = self._predictor()
        self._bound_series()

    def objects(self) -> list[tuple[type, object]]:
        """What routes may ask for."""
        tables, clock = self.tables, self.clock
        registry = BundleRegistry(
            sql=tables.registry, rules=tables.rules, files=self.files, catalogue=self.catalogue, clock=clock
        )
        return [
            (Predictor, self.predictor),
            (ModelRegistry, registry),
            (AlertRuleStore, registry),
            (Observer, self._observer()),
            (ExperimentDesk, self._experiments()),
            (Clock, clock),
            (History, self.history),
            (TrustedKeys, KeyRing(self.trust, tables.trusted_keys, clock)),
            (open_inference.UnpackedLimit, open_inference.UnpackedLimit(self.settings.body_limit_bytes)),
        ]

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Follow what other replicas do beside the requests; at the end, send what waits and let go of everything."""
        try:
            await self.catalogue.refresh()
            await self.live.refresh()
        except AppError as error:
            # The model of the configuration needs no database; `/readyz` tells that the others are not known yet.
            log.warning("registry_not_read", code=error.code)
        if self.cache is not None:
            await self.cache.open()
        stop = asyncio.Event()
        following = [asyncio.create_task(follower) for follower in self._followers(stop)]
        try:
            work = {"clean_up": self._clean_up().run}
            if self.settings.history_interval_s:
                work["history"] = self._history_writer().run
            async with running(work):
                yield
        finally:
            stop.set()
            await asyncio.gather(*following)
            await self.shadows.close()
            await self.tallies.try_to_flush()
            await self.outbox.close()
            if self.cache is not None:
                await self.cache.close()
            self.pool.close()
            await self.redis.aclose()
            self.engine.dispose()

    def _bound_series(self) -> None:
        """Let the series of withdrawn versions go, and show what is asked for."""
        metrics, catalogue = self.metrics, self.catalogue
        metrics.registry.register(ModelInfo(catalogue.served, limit=self.settings.series_limit))
        models = metrics.bounds.bound("models", LABELS)
        models.watch(self.tallies.predictions)
        models.gone_when(lambda values: not catalogue.is_served(*values))
        metrics.bounds.also(lambda: self.live.figures.keep(catalogue.is_served))
        if self.settings.asset_metrics:
            metrics.registry.register(self.assets.values)

    def _history_writer(self) -> HistoryWriter:
        return HistoryWriter(
            self.history,
            self.assets.points,
            now=self.clock.now,
            interval_s=self.settings.history_interval_s,
            metrics=self.metrics.registry,
        )

    def _followers(self, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        every_s = self.settings.registry_poll_s
        return [part.follow(every_s, stop) for part in (self.catalogue, self.live, self.tallies, self.outbox)]

    def _clean_up(self) -> CleanUp:
        settings = self.settings
        own = rules(
            observations=self.tables.observations,
            registry=self.tables.registry,
            files=self.files,
            observations_kept=days(settings.observation_retention_days),
            withdrawn_kept=timedelta(seconds=settings.withdrawn_keep_s),
            history=self.history,
            history_kept=days(settings.history_retention_days),
        )
        return CleanUp(own, clock=self.clock, metrics=self.metrics.registry)

    def _predictor(self) -> Predictor:
        metrics = PredictionMetrics(self.metrics.registry, self.metrics.bounds)
        meter = ArmMeter(metrics, self.tallies)
        watches: list[PredictionWatch] = [AlertSender(self.outbox, self.catalogue, self.clock), self.tallies, metrics]
        if self.settings.asset_metrics or self.settings.history_interval_s:
            watches.append(self.assets)
        return Predictor(
            models=self.catalogue,
            answers=self.answers,
            variants=self.catalogue,
            shadows=self.shadows,
            rescue=Rescue(meter, self.clock),
            stuck_sensors=StuckSensors(self.settings.stuck_after_readings),
            meter=meter,
            watches=watches,
            clock=self.clock,
            batch_limit_rows=self.settings.batch_limit_rows,
        )

    def _observer(self) -> Observer:
        return Observer(
            models=self.catalogue,
            versions=self.catalogue,
            records=self.live,
            pool=self.pool,
            clock=self.clock,
            limit_rows=self.settings.observation_limit_rows,
        )

    def _experiments(self) -> StoredExperiments:
        return StoredExperiments(
            sql=self.tables.experiments,
            registry=self.tables.registry,
            observed=self.tables.observed_errors,
            tallies=self.tallies,
            catalogue=self.catalogue,
            clock=self.clock,
        )


def create_app(settings: TwinSettings, clock: Clock | None = None) -> ServiceApp:
    """Assemble the twin.

    Raises
    ------
    CannotStart
        With every reason: a key or folder that cannot be used, tables that were not migrated, a bundle that is not
        what a trusted key signed.
    """
    clock = clock or SystemClock()
    engine = open_engine(settings.database_url.get_secret_value())
    run_checks(
        [
            readable_file(settings.identity_key_file, "the key that verifies the gateway's identity token"),
            writable_folder(settings.cache_dir, "the cache of bundles"),
            _migrated(engine),
        ]
    )
    twin = _Twin(settings, clock, engine)
    return build_app(
        settings=settings,
        title="Futago twin",
        routers=[
            predictions.router,
            models.router,
            alert_rules.router,
            experiments.router,
            observations.router,
            open_inference.router,
            timeseries.router,
            trusted_keys.router,
        ],
        objects=twin.objects(),
        identity=IdentityVerifier.reading(
            settings.identity_key_file,
            audience=settings.service,
            clock=clock,
            on_fault=twin.metrics.key_file_faults.inc,
        ),
        metrics=twin.metrics,
        probes={"registry": twin.catalogue.check, "compute": twin.pool.check},
        lifespan=twin.lifespan,
        upload_paths=[models.UPLOAD_PATH],
        unpacking_prefix=f"{open_inference.PREFIX}/",
        direct=predictions.direct_handlers(twin.predictor),
        guide=GUIDE,
    )


def _migrated(engine: Engine) -> Check:
    def check() -> str | None:
        with suppress(DatabaseUnavailable):
            if not is_current(engine, HISTORY, SCRIPTS):
                return "the database lacks the twin's newest tables; run `futago migrate`"
        return None

    return check


def _cache(
    settings: TwinSettings, clock: Clock, metrics: ServiceMetrics, redis_metrics: RedisMetrics
) -> LayeredPredictionCache | None:
    if not settings.cache_ttl_s:
        return None
    return LayeredPredictionCache(
        redis_metrics.watch(async_client(settings.redis_url.get_secret_value())),
        clock,
        ttl_s=settings.cache_ttl_s,
        lru_entries=settings.cache_lru_entries,
        redis_from_row_us=settings.cache_redis_from_row_us,
        metrics=metrics.registry,
    )


def _built_in(settings: TwinSettings, trust: TrustStore) -> ServedModel | None:
    if settings.model_path is None:
        return None
    try:
        return load_model(open_bundle(settings.model_path, trust))
    except AppError as error:
        raise CannotStart([f"model_path: {settings.model_path} cannot be served: {error.message}"]) from error


if __name__ == "__main__":
    run_service(TwinSettings, create_app)
