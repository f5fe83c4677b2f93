"""The anomaly service's process: where its parts meet. `python -m services.anomaly.app [--config FILE]`."""

import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from anyio import to_thread
from sqlalchemy import Engine

from services.anomaly.adapters.clean_up import Kept, rules
from services.anomaly.adapters.detector_store import DetectorStore
from services.anomaly.adapters.figures import Figures
from services.anomaly.adapters.image_archive import read_image_archive
from services.anomaly.adapters.job_orders import QUEUE, JobOrders
from services.anomaly.adapters.live_recorder import LiveRecorder
from services.anomaly.adapters.parquet_table import read_parquet_table
from services.anomaly.adapters.redis_alerts import RedisAlerts
from services.anomaly.adapters.redis_live import RedisDrift
from services.anomaly.adapters.redis_windows import RedisWindows
from services.anomaly.adapters.sql_catalogue import SqlCatalogue
from services.anomaly.adapters.sql_health import SqlHealth
from services.anomaly.adapters.sql_live import SqlLiveCounts
from services.anomaly.adapters.sql_scores import SqlScores
from services.anomaly.adapters.table_store import SqlTableStore
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.domain.catalogue import Catalogue
from services.anomaly.domain.csv_table import TableLimits
from services.anomaly.domain.drift import DriftDesk
from services.anomaly.domain.health import HealthDesk, HealthRules
from services.anomaly.domain.health_history import HealthRecorder
from services.anomaly.domain.inspections import InspectionReset
from services.anomaly.domain.live_counts import LiveCounts
from services.anomaly.domain.own_work import OwnWork
from services.anomaly.domain.reporting import ReportDesk
from services.anomaly.domain.retraining import RetrainingDesk
from services.anomaly.domain.score_jobs import SCORE_JOB, ScoreDoor
from services.anomaly.domain.scoring import CallLimits, ScoringDesk
from services.anomaly.domain.streaming import StreamDesk, StreamRules
from services.anomaly.domain.threshold_desk import ThresholdDesk
from services.anomaly.domain.training_requests import TRAIN_JOB, TrainingDesk
from services.anomaly.domain.uploads import FileFormat, UploadDesk, read_csv_file
from services.anomaly.domain.watch import ScoreWatch
from services.anomaly.domain.workbench import Workbench
from services.anomaly.routes import detectors, drift, health, reports, retraining, scores, streams, timeseries, uploads
from services.anomaly.routes.guide import GUIDE
from services.anomaly.settings import AnomalySettings
from shared.background import running
from shared.clock import Clock, SystemClock
from shared.database import current_tables, open_engine, ping
from shared.errors import AppError
from shared.events import BLOCK_S, INSPECTIONS, EventConsumer
from shared.history import History
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import IdentityVerifier
from shared.jobs import JobQueue, RqDelivery
from shared.jobs.news import JobNews
from shared.onnx.signing import TrustStore
from shared.redis_client import async_client, async_waiting_client, blocking_client
from shared.retention import CleanUp, days
from shared.startup import readable_file, run_checks, writable_folder
from shared.store import Store

# Drift is also kept of assets that are scored call by call, and once of all assets of a detector.
_DRIFTS_A_STREAM = 2


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
    metrics = ServiceMetrics(settings.service, series_limit=settings.series_limit)
    redis = async_client(redis_url)
    loaded = DetectorStore(
        store, TrustStore(settings.trust_dir), cache_dir=settings.cache_dir, loaded_limit=settings.loaded_limit
    )
    figures = Figures(
        metrics,
        engine,
        redis,
        loaded,
        clock=clock,
        asset_metrics=settings.asset_metrics,
        history_interval_s=settings.history_interval_s,
    )
    catalogue = SqlCatalogue(engine, loaded)
    tables = SqlTableStore(engine, store, clock=clock, uploads_kept=days(settings.upload_retention_days))
    alerts = RedisAlerts(redis, figures.scores)
    pool = ThreadPoolExecutor(settings.score_threads, thread_name_prefix="score")
    workbench = Workbench(pool, places=settings.score_places)
    # Apart: a large file is read for half a minute, and scores must not wait for that.
    reading_pool = ThreadPoolExecutor(1, thread_name_prefix="upload")
    reading_bench = Workbench(reading_pool, places=settings.upload_places)
    jobs = _job_queue(engine, redis_url, clock)
    queue = JobOrders(jobs, TRAIN_JOB, time_limit_s=settings.training_limit_s)
    limits = TableLimits(settings.upload_limit_rows, settings.upload_limit_columns, settings.upload_limit_values)
    trainings = TrainingDesk(tables, queue, workbench)
    readers = {
        FileFormat.CSV: read_csv_file,
        FileFormat.PARQUET: read_parquet_table,
        FileFormat.IMAGES: read_image_archive,
    }
    call_limits = CallLimits(settings.score_limit_rows, settings.score_limit_values)
    hours = SqlHealth(engine)
    recorder = HealthRecorder(hours, clock=clock, interval_s=settings.health_interval_s)
    live_counts = SqlLiveCounts(engine)
    drift_counts = RedisDrift(
        RedisWindows(
            redis, space="drift", keep_s=settings.stream_keep_s, most=_DRIFTS_A_STREAM * settings.stream_limit
        ),
        window_rows=settings.drift_window_rows,
    )
    live_recorder = LiveRecorder(
        live_counts,
        drift_counts,
        alerts,
        clock=clock,
        metrics=metrics.registry,
        detectors=figures.scores.detectors,
        interval_s=settings.live_interval_s,
    )
    health_desk = HealthDesk(hours, recorder, clock=clock, rules=HealthRules(limit=settings.health_limit))
    watches: tuple[ScoreWatch, ...] = (recorder, live_recorder, *figures.watches(health_desk, recorder))
    scoring = ScoringDesk(
        catalogue, workbench, alerts, figures.scores, clock=clock, limits=call_limits, watches=watches
    )
    door = ScoreDoor(
        scoring,
        catalogue,
        tables,
        JobOrders(jobs, SCORE_JOB, time_limit_s=settings.training_limit_s),
        workbench,
        call_limits=call_limits,
        job_limits=limits,
    )
    waiting_redis = async_waiting_client(redis_url, wait_s=BLOCK_S)
    inspections = EventConsumer(
        waiting_redis,
        INSPECTIONS,
        group="anomaly",
        consumer=f"{socket.gethostname()}-{settings.port}",
        handle=InspectionReset(hours).handle,
    )
    streaming = StreamDesk(
        catalogue,
        workbench,
        RedisWindows(
            redis,
            space="stream",
            keep_s=settings.stream_keep_s,
            most=settings.stream_limit,
            raised=figures.scores.raised,
        ),
        figures.scores,
        clock=clock,
        limits=call_limits,
        rules=StreamRules(settings.stream_off_delay_rows, settings.stream_limit_values, settings.stream_ahead_limit_s),
        watches=watches,
    )
    thresholds = ThresholdDesk(catalogue, workbench, clock=clock, limits=call_limits)

    clean_up = CleanUp(rules(engine, store, settings.cache_dir, _kept(settings)), clock=clock, metrics=metrics.registry)

    async def database_answers() -> None:
        await to_thread.run_sync(ping, engine)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        beside = {
            "health": recorder.run,
            "live": live_recorder.run,
            "inspections": inspections.run,
            **figures.work(),
        }
        async with running({**beside, "clean_up": clean_up.run}):
            yield
        await live_recorder.flush()
        await alerts.drain()
        with suppress(AppError):
            await recorder.flush()
        for client in (redis, waiting_redis):
            await client.aclose()
        for threads in (pool, reading_pool):
            threads.shutdown(wait=False, cancel_futures=True)
        engine.dispose()

    return build_app(
        settings=settings,
        title="Futago anomaly detection",
        routers=(
            detectors.router,
            retraining.router,
            scores.router,
            streams.router,
            drift.router,
            uploads.router,
            health.router,
            reports.router,
            timeseries.router,
        ),
        objects=(
            (Catalogue, catalogue),
            (Clock, clock),
            (TrainingDesk, trainings),
            (RetrainingDesk, RetrainingDesk(catalogue, trainings, workbench)),
            (ThresholdDesk, thresholds),
            (ScoreDoor, door),
            (OwnWork, OwnWork(tables, SqlScores(engine, store, cache_dir=settings.cache_dir), workbench)),
            (HealthDesk, health_desk),
            (History, figures.history),
            (ReportDesk, ReportDesk(catalogue)),
            (StreamDesk, streaming),
            (DriftDesk, DriftDesk(catalogue, workbench, drift_counts)),
            (LiveCounts, live_counts),
            (UploadDesk, UploadDesk(tables, readers, reading_bench, limits, clock)),
        ),
        identity=IdentityVerifier.reading(
            settings.identity_key_file, audience=settings.service, clock=clock, on_fault=metrics.key_file_faults.inc
        ),
        metrics=metrics,
        # Not Redis: without it scores are still given, and only trainings and alerts wait.
        probes={"database": database_answers},
        lifespan=lifespan,
        upload_paths=(uploads.PATH,),
        guide=GUIDE,
    )


def _job_queue(engine: Engine, redis_url: str, clock: Clock) -> JobQueue:
    redis = blocking_client(redis_url)
    return JobQueue(engine, RqDelivery(redis, QUEUE), queue=QUEUE, clock=clock, tell=JobNews(redis).tell)


def _kept(settings: AnomalySettings) -> Kept:
    return Kept(
        uploads=days(settings.upload_retention_days),
        scores=days(settings.score_retention_days),
        live_counts=days(settings.live_count_retention_days),
        cached_files=days(settings.cache_retention_days),
        history=days(settings.history_retention_days),
    )


if __name__ == "__main__":
    run_service(AnomalySettings, create_app)
