"""What one process of the service shows of its work, put together: metrics, values of assets, their history."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from sqlalchemy import Engine

from services.anomaly.adapters.asset_scores import AssetScores
from services.anomaly.adapters.detector_store import DetectorStore
from services.anomaly.adapters.detector_watch import DetectorWatch
from services.anomaly.adapters.score_metrics import ScoreMetrics
from services.anomaly.adapters.sql_catalogue import SqlCatalogue
from services.anomaly.adapters.tables import history
from services.anomaly.domain.health import HealthDesk, HealthUnknown
from services.anomaly.domain.health_history import HealthRecorder
from services.anomaly.domain.watch import ScoreWatch
from shared.clock import Clock
from shared.database_metrics import DatabaseMetrics
from shared.history import HistoryWriter, SqlHistory
from shared.http.metrics import ServiceMetrics
from shared.redis_metrics import RedisMetrics


class Figures:
    """The metrics of the service.

    Parameters
    ----------
    asset_metrics
        Whether the newest values of each asset are shown.
    history_interval_s
        How often they are kept; 0 for never.
    """

    def __init__(
        self,
        metrics: ServiceMetrics,
        engine: Engine,
        redis: Redis,
        loaded: DetectorStore,
        *,
        clock: Clock,
        asset_metrics: bool,
        history_interval_s: float,
    ) -> None:
        self._metrics, self._clock = metrics, clock
        self._asset_metrics, self._interval_s = asset_metrics, history_interval_s
        DatabaseMetrics(metrics.registry, engine)
        RedisMetrics(metrics.registry).watch(redis)
        self.scores = ScoreMetrics(metrics.registry, metrics.bounds, lambda: loaded.loaded)
        self.detectors = DetectorWatch(
            SqlCatalogue(engine, loaded).served, limit=metrics.bounds.limit, forget=self.scores.detectors.forget
        )
        metrics.registry.register(self.detectors)
        self.history = SqlHistory(engine, history, interval_s=history_interval_s)
        self._assets: AssetScores | None = None

    def watches(self, health: HealthDesk, recorder: HealthRecorder) -> tuple[ScoreWatch, ...]:
        """Who has to see each call, so that values of assets can be shown or kept; nobody where neither is wanted."""
        self.scores.watch_health(lambda: recorder.lost_rows)
        if not self._asset_metrics and not self._interval_s:
            return ()

        async def judge(asset: str) -> float | None:
            try:
                return (await health.health(asset)).health
            except HealthUnknown:
                return None

        self._assets = AssetScores(self._metrics.bounds, self._clock, judge)
        if self._asset_metrics:
            self._metrics.registry.register(self._assets.scores)
            self._metrics.registry.register(self._assets.health)
        return (self._assets,)

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What has to run beside the requests, by name."""
        work: dict[str, Callable[[], Awaitable[None]]] = {"detectors": self.detectors.run}
        if self._assets is not None:
            work["assets"] = self._assets.run
            if self._interval_s:
                work["history"] = self._writer(self._assets).run
        return work

    def _writer(self, assets: AssetScores) -> HistoryWriter:
        registry = self._metrics.registry
        return HistoryWriter(
            self.history, assets.points, now=self._clock.now, interval_s=self._interval_s, metrics=registry
        )
