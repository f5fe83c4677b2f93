"""The twin's process: the one place where its objects meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import Engine

from services.twin.adapters.alert_sender import AlertSender
from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.bundle_registry import BundleRegistry
from services.twin.adapters.model_catalogue import ModelCatalogue
from services.twin.adapters.onnx_model import ServedModel, load_model
from services.twin.adapters.prediction_metrics import PredictionMetrics
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_registry import SqlRegistry
from services.twin.adapters.tables import HISTORY, SCRIPTS
from services.twin.adapters.work_pool import BoundedPool
from services.twin.domain.alerting import AlertRuleStore
from services.twin.domain.predictor import Predictor
from services.twin.domain.registry import ModelRegistry
from services.twin.routes import alert_rules, models, predictions
from services.twin.settings import TwinSettings
from shared.clock import Clock, SystemClock
from shared.database import DatabaseUnavailable, is_current, open_engine
from shared.errors import AppError
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
    trust = TrustStore(settings.trust_dir)
    files = BundleFiles(Store(settings.store_url), trust, settings.cache_dir)
    metrics = ServiceMetrics(settings.service)
    sql, rules = SqlRegistry(engine), SqlAlertRules(engine)
    catalogue = ModelCatalogue(
        sql=sql,
        rules=rules,
        files=files,
        loaded_limit=settings.loaded_models_limit,
        built_in=_built_in(settings, trust),
        default_model=settings.default_model,
        metrics=metrics.registry,
    )
    registry = BundleRegistry(sql=sql, rules=rules, files=files, catalogue=catalogue, clock=clock)
    redis = async_client(settings.redis_url.get_secret_value())
    alerts = AlertSender(redis, catalogue, clock, metrics.registry)
    pool = BoundedPool(threads=settings.compute_threads, waiting_limit=settings.compute_waiting_limit)
    predictor = Predictor(
        models=catalogue,
        pool=pool,
        meter=PredictionMetrics(metrics.registry),
        watch=alerts,
        clock=clock,
        batch_limit_rows=settings.batch_limit_rows,
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            await catalogue.refresh()
        except AppError as error:
            # The model of the configuration needs no database; `/readyz` tells that the others are not known yet.
            log.warning("registry_not_read", code=error.code)
        stop = asyncio.Event()
        following = asyncio.create_task(catalogue.follow(settings.registry_poll_s, stop))
        try:
            yield
        finally:
            stop.set()
            await following
            await alerts.close()
            pool.close()
            await redis.aclose()
            engine.dispose()

    return build_app(
        settings=settings,
        title="Futago twin",
        routers=[predictions.router, models.router, alert_rules.router],
        objects=[(Predictor, predictor), (ModelRegistry, registry), (AlertRuleStore, registry)],
        identity=IdentityVerifier([settings.identity_key_file.read_bytes()], audience=settings.service, clock=clock),
        metrics=metrics,
        probes={"registry": catalogue.check},
        lifespan=lifespan,
        upload_paths=[models.UPLOAD_PATH],
    )


def _migrated(engine: Engine) -> Check:
    def check() -> str | None:
        with suppress(DatabaseUnavailable):
            if not is_current(engine, HISTORY, SCRIPTS):
                return "the database lacks the twin's newest tables; run `futago migrate`"
        return None

    return check


def _built_in(settings: TwinSettings, trust: TrustStore) -> ServedModel | None:
    if settings.model_path is None:
        return None
    try:
        return load_model(open_bundle(settings.model_path, trust))
    except AppError as error:
        raise CannotStart([f"model_path: {settings.model_path} cannot be served: {error.message}"]) from error


if __name__ == "__main__":
    run_service(TwinSettings, create_app)
