"""The anomaly service's process: where its parts meet. `python -m services.anomaly.app [--config FILE]`."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from anyio import to_thread

from services.anomaly.adapters.detector_store import DetectorStore
from services.anomaly.adapters.redis_alerts import RedisAlerts
from services.anomaly.adapters.score_metrics import ScoreMetrics
from services.anomaly.adapters.sql_catalogue import SqlCatalogue
from services.anomaly.adapters.table_store import SqlTableStore
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.adapters.training_queue import QUEUE, JobTrainingQueue
from services.anomaly.domain.catalogue import Catalogue
from services.anomaly.domain.csv_table import TableLimits
from services.anomaly.domain.scoring import CallLimits, ScoringDesk
from services.anomaly.domain.threshold_desk import ThresholdDesk
from services.anomaly.domain.training_requests import TrainingDesk
from services.anomaly.domain.uploads import UploadDesk
from services.anomaly.domain.workbench import Workbench
from services.anomaly.routes import detectors, scores, uploads
from services.anomaly.settings import AnomalySettings
from shared.clock import SystemClock
from shared.database import current_tables, open_engine, ping
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import IdentityVerifier
from shared.jobs import JobQueue, RqDelivery
from shared.onnx.signing import TrustStore
from shared.redis_client import async_client, blocking_client
from shared.startup import readable_file, run_checks, writable_folder
from shared.store import Store


def create_app(settings: AnomalySettings) -> ServiceApp:
    """Assemble the service.

    Raises
    ------
    CannotStart
        With every reason why it cannot.
    """
    clock = SystemClock()
    engine = open_engine(settings.database_url.get_secret_value())
    run_checks(
        [
            readable_file(settings.identity_key_file, "the key that verifies callers"),
            writable_folder(settings.cache_dir, "the cache"),
            current_tables(engine, HISTORY, SCRIPTS),
        ]
    )
    store = Store(settings.store_url)
    redis_url = settings.redis_url.get_secret_value()
    redis = async_client(redis_url)
    metrics = ServiceMetrics(settings.service)
    loaded = DetectorStore(
        store, TrustStore(settings.trust_dir), cache_dir=settings.cache_dir, loaded_limit=settings.loaded_limit
    )
    score_metrics = ScoreMetrics(metrics.registry, lambda: loaded.loaded)
    catalogue = SqlCatalogue(engine, loaded)
    tables = SqlTableStore(engine, store)
    alerts = RedisAlerts(redis, score_metrics)
    pool = ThreadPoolExecutor(settings.score_threads, thread_name_prefix="score")
    workbench = Workbench(pool, places=settings.score_places)
    # Apart: a large file is read for half a minute, and scores must not wait for that.
    reading_pool = ThreadPoolExecutor(1, thread_name_prefix="upload")
    reading_bench = Workbench(reading_pool, places=settings.upload_places)
    queue = JobTrainingQueue(
        JobQueue(engine, RqDelivery(blocking_client(redis_url), QUEUE), queue=QUEUE, clock=clock),
        time_limit_s=settings.training_limit_s,
    )
    limits = TableLimits(settings.upload_limit_rows, settings.upload_limit_columns, settings.upload_limit_values)
    call_limits = CallLimits(settings.score_limit_rows, settings.score_limit_values)
    scoring = ScoringDesk(catalogue, workbench, alerts, score_metrics, clock=clock, limits=call_limits)
    thresholds = ThresholdDesk(catalogue, workbench, clock=clock, limits=call_limits)

    async def database_answers() -> None:
        await to_thread.run_sync(ping, engine)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        await alerts.drain()
        await redis.aclose()
        for threads in (pool, reading_pool):
            threads.shutdown(wait=False, cancel_futures=True)
        engine.dispose()

    return build_app(
        settings=settings,
        title="Futago anomaly detection",
        routers=(detectors.router, scores.router, uploads.router),
        objects=(
            (Catalogue, catalogue),
            (TrainingDesk, TrainingDesk(tables, queue, workbench)),
            (ThresholdDesk, thresholds),
            (ScoringDesk, scoring),
            (UploadDesk, UploadDesk(tables, reading_bench, limits, clock)),
        ),
        identity=IdentityVerifier([settings.identity_key_file.read_bytes()], audience=settings.service, clock=clock),
        metrics=metrics,
        # Not Redis: without it scores are still given, and only trainings and alerts wait.
        probes={"database": database_answers},
        lifespan=lifespan,
        upload_paths=(uploads.PATH,),
    )


if __name__ == "__main__":
    run_service(AnomalySettings, create_app)
