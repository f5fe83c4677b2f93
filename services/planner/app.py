"""The planner's process: where its parts meet. `python -m services.planner.app [--config FILE]`.

It scores and explains; searching is the worker's, and nothing of it is imported here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, to_thread

from services.planner.adapters.inspection_news import RedisInspectionNews
from services.planner.adapters.public_holidays import PackagedHolidays
from services.planner.adapters.solve_queue import QUEUE, JobSolveQueue
from services.planner.adapters.sql_inspections import SqlInspections
from services.planner.adapters.sql_plans import SqlPlans
from services.planner.adapters.tables import HISTORY, SCRIPTS
from services.planner.domain.calendar import HolidaySource
from services.planner.domain.followers import Followers
from services.planner.domain.inspections import InspectionNews, InspectionStore
from services.planner.domain.plan_desk import PlanDesk
from services.planner.routes import (
    comparisons,
    explanations,
    files,
    inspections,
    plans,
    progress,
    replans,
    scores,
    workbooks,
)
from services.planner.routes.guide import GUIDE
from services.planner.settings import PlannerSettings
from shared.background import running
from shared.clock import Clock, SystemClock
from shared.database import current_tables, open_engine, ping
from shared.database_metrics import DatabaseMetrics
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import IdentityVerifier
from shared.jobs import JobQueue, JobStore, RqDelivery
from shared.jobs.news import JobNews
from shared.redis_client import async_client, blocking_client
from shared.redis_metrics import RedisMetrics
from shared.retention import CleanUp, Rule, days
from shared.startup import readable_file, run_checks


def create_app(settings: PlannerSettings) -> ServiceApp:
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
            current_tables(engine, HISTORY, SCRIPTS),
        ]
    )
    redis_url = settings.redis_url.get_secret_value()
    blocking_redis = blocking_client(redis_url)
    delivery = RqDelivery(blocking_redis, QUEUE)
    metrics = ServiceMetrics(settings.service, series_limit=settings.series_limit)
    DatabaseMetrics(metrics.registry, engine)
    redis = RedisMetrics(metrics.registry).watch(async_client(redis_url))
    stored_plans = SqlPlans(engine)
    clean_up = CleanUp(
        [Rule("plans", days(settings.plan_retention_days), stored_plans.remove_old)],
        clock=clock,
        metrics=metrics.registry,
    )
    desk = PlanDesk(
        stored_plans,
        JobSolveQueue(JobQueue(engine, delivery, queue=QUEUE, clock=clock, tell=JobNews(blocking_redis).tell)),
        JobStore(engine, clock),
        clock=clock,
        search_limit_s=settings.search_limit_s,
    )

    async def database_answers() -> None:
        await to_thread.run_sync(ping, engine)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with running({"clean_up": clean_up.run}):
            yield
        await redis.aclose()
        engine.dispose()

    return build_app(
        settings=settings,
        title="Futago inspection planner",
        # Forms and files stand in front of the routes that would take their paths for something else.
        routers=(
            workbooks.router,
            files.router,
            plans.router,
            progress.router,
            explanations.router,
            replans.router,
            scores.router,
            comparisons.router,
            inspections.router,
        ),
        objects=(
            (PlanDesk, desk),
            (Followers, Followers()),
            (InspectionStore, SqlInspections(engine)),
            (InspectionNews, RedisInspectionNews(redis)),
            (HolidaySource, PackagedHolidays()),
            (Clock, clock),
            (CapacityLimiter, CapacityLimiter(settings.score_threads)),
        ),
        identity=IdentityVerifier.reading(
            settings.identity_key_file, audience=settings.service, clock=clock, on_fault=metrics.key_file_faults.inc
        ),
        metrics=metrics,
        # Not Redis: without it plans are still scored and explained, and only new searches wait.
        probes={"database": database_answers},
        lifespan=lifespan,
        guide=GUIDE,
    )


if __name__ == "__main__":
    run_service(PlannerSettings, create_app)
