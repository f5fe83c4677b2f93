"""The twin's process: the one place where its objects meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from sqlalchemy import Engine

from services.twin.adapters.alert_sender import AlertSender
from services.twin.adapters.archive_sweeper import ArchiveSweeper
from services.twin.adapters.arm_meter import ArmMeter
from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.bundle_registry import BundleRegistry
from services.twin.adapters.coverage_alarms import CoverageAlarms
from services.twin.adapters.experiment_desk import StoredExperiments
from services.twin.adapters.experiment_tallies import ExperimentTallies
from services.twin.adapters.key_ring import KeyRing
from services.twin.adapters.live_states import LiveStates
from services.twin.adapters.model_catalogue import ModelCatalogue
from services.twin.adapters.onnx_model import ServedModel, load_model
from services.twin.adapters.prediction_cache import LayeredPredictionCache
from services.twin.adapters.prediction_metrics import PredictionMetrics
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_experiments import SqlExperiments
from services.twin.adapters.sql_observations import SqlObservations
from services.twin.adapters.sql_observed_errors import SqlObservedErrors
from services.twin.adapters.sql_registry import SqlRegistry
from services.twin.adapters.sql_trusted_keys import SqlTrustedKeys
from services.twin.adapters.tables import HISTORY, SCRIPTS
from services.twin.adapters.work_pool import BoundedPool
from services.twin.domain.alerting import AlertRuleStore
from services.twin.domain.caching import NoCache
from services.twin.domain.experiment_report import ExperimentDesk
from services.twin.domain.observing import Observer
from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.predictor import Predictor
from services.twin.domain.registry import ModelRegistry
from services.twin.domain.rescue import Rescue
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
    trusted_keys,
)
from services.twin.settings import TwinSettings
from shared.clock import Clock, SystemClock
from shared.database import DatabaseUnavailable, is_current, open_engine
from shared.errors import AppError
from shared.events import publish_alert
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import IdentityVerifier
from shared.log import get_logger
from shared.onnx.bundle import open_bundle
from shared.onnx.signing import TrustStore
from shared.redis_client import async_client
from shared.startup import CannotStart, Check, readable_file, run_checks, writable_folder
from shared.store import Store

log = get_logger(__name__)
# A bundle that waits for its end waits for a day; an hour more does not matter.
_SWEEP_EVERY_S = 3600.0


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
    enrolled = SqlTrustedKeys(engine)
    trust = TrustStore(settings.trust_dir, enrolled.public_keys)
    files = BundleFiles(Store(settings.store_url), trust, settings.cache_dir)
    metrics = ServiceMetrics(settings.service)
    sql, rules, arms = SqlRegistry(engine), SqlAlertRules(engine), SqlExperiments(engine)
    catalogue = ModelCatalogue(
        sql=sql,
        rules=rules,
        experiments=arms,
        files=files,
        loaded_limit=settings.loaded_models_limit,
        loaded_limit_bytes=settings.loaded_models_limit_bytes,
        built_in=_built_in(settings, trust),
        default_model=settings.default_model,
        metrics=metrics.registry,
    )
    registry = BundleRegistry(sql=sql, rules=rules, files=files, catalogue=catalogue, clock=clock)
    sweeper = ArchiveSweeper(sql, files, clock, keep_s=settings.withdrawn_keep_s)
    redis = async_client(settings.redis_url.get_secret_value())
    alerts = AlertSender(partial(publish_alert, redis), catalogue, clock, metrics.registry)
    pool = BoundedPool(
        threads=settings.compute_threads, waiting_limit=settings.compute_waiting_limit, metrics=metrics.registry
    )
    cache = _cache(settings, clock, metrics)
    live = LiveStates(
        sql=SqlObservations(engine),
        alarms=CoverageAlarms(redis),
        clock=clock,
        retention_days=settings.observation_retention_days,
        metrics=metrics.registry,
    )
    observer = Observer(
        models=catalogue,
        versions=catalogue,
        records=live,
        pool=pool,
        clock=clock,
        limit_rows=settings.observation_limit_rows,
    )
    answers = OwnAnswers(pool=pool, cache=cache or NoCache(), corrections=live)
    tallies = ExperimentTallies(catalogue, arms, metrics.registry)
    desk = StoredExperiments(
        sql=arms,
        registry=sql,
        observed=SqlObservedErrors(engine),
        tallies=tallies,
        catalogue=catalogue,
        clock=clock,
    )
    shadows = Shadows(models=catalogue, answers=answers, watch=tallies)
    meter = ArmMeter(PredictionMetrics(metrics.registry), tallies)
    predictor = Predictor(
        models=catalogue,
        answers=answers,
        variants=catalogue,
        shadows=shadows,
        rescue=Rescue(meter, clock),
        stuck_sensors=StuckSensors(settings.stuck_after_readings),
        meter=meter,
        watches=[alerts, tallies],
        clock=clock,
        batch_limit_rows=settings.batch_limit_rows,
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            await catalogue.refresh()
            await live.refresh()
        except AppError as error:
            # The model of the configuration needs no database; `/readyz` tells that the others are not known yet.
            log.warning("registry_not_read", code=error.code)
        if cache is not None:
            await cache.open()
        stop = asyncio.Event()
        followers = [
            catalogue.follow(settings.registry_poll_s, stop),
            live.follow(settings.registry_poll_s, stop),
            tallies.follow(settings.registry_poll_s, stop),
            sweeper.follow(_SWEEP_EVERY_S, stop),
        ]
        following = [asyncio.create_task(follower) for follower in followers]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*following)
            await shadows.close()
            await tallies.try_to_flush()
            await alerts.close()
            if cache is not None:
                await cache.close()
            pool.close()
            await redis.aclose()
            engine.dispose()

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
            trusted_keys.router,
        ],
        objects=[
            (Predictor, predictor),
            (ModelRegistry, registry),
            (AlertRuleStore, registry),
            (Observer, observer),
            (ExperimentDesk, desk),
            (TrustedKeys, KeyRing(trust, enrolled, clock)),
            (open_inference.UnpackedLimit, open_inference.UnpackedLimit(settings.body_limit_bytes)),
        ],
        identity=IdentityVerifier([settings.identity_key_file.read_bytes()], audience=settings.service, clock=clock),
        metrics=metrics,
        probes={"registry": catalogue.check, "compute": pool.check},
        lifespan=lifespan,
        upload_paths=[models.UPLOAD_PATH],
        direct=predictions.direct_handlers(predictor),
    )


def _migrated(engine: Engine) -> Check:
    def check() -> str | None:
        with suppress(DatabaseUnavailable):
            if not is_current(engine, HISTORY, SCRIPTS):
                return "the database lacks the twin's newest tables; run `futago migrate`"
        return None

    return check


def _cache(settings: TwinSettings, clock: Clock, metrics: ServiceMetrics) -> LayeredPredictionCache | None:
    if not settings.cache_ttl_s:
        return None
    return LayeredPredictionCache(
        async_client(settings.redis_url.get_secret_value()),
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
