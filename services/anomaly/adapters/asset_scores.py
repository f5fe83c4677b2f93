"""The newest score, severity and health of each asset, for gauges and for the history."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from services.anomaly.domain.watch import Seen
from shared.asset_values import AssetValues
from shared.clock import Clock
from shared.errors import AppError
from shared.history import Point
from shared.log import get_logger
from shared.series import SeriesBounds

log = get_logger(__name__)

HEALTH = "health"
_METRICS = ("score", "severity")
# Health changes by the hour; judging an asset takes some milliseconds.
_HEALTH_EVERY_S = 60.0
_SCORES = {
    "futago_anomaly_asset_score": "Score of an asset's newest row that has one",
    "futago_anomaly_asset_severity": "Severity of that row, from 0 to 1; 0.5 is the detector's limit",
}
_HEALTH = {"futago_anomaly_asset_health": "Health of an asset, from 0 to 100; 50 is the detectors' limit"}


class AssetScores:
    """Implements `watch.ScoreWatch`.

    Parameters
    ----------
    judge
        Tells the health of an asset; `None` where it has none.
    """

    def __init__(self, bounds: SeriesBounds, clock: Clock, judge: Callable[[str], Awaitable[float | None]]) -> None:
        self._clock, self._judge = clock, judge
        self.scores = AssetValues(_SCORES, "detector", bounds.bound("asset_scores", ("detector", "asset")))
        self.health = AssetValues(_HEALTH, None, bounds.bound("asset_health", ("asset",)))
        self._to_judge: set[str] = set()
        self._limit = bounds.limit

    def seen(self, seen: Seen) -> None:
        if seen.asset is None:
            return
        scored = np.flatnonzero(np.isfinite(seen.detection.scores))
        if not len(scored):
            return
        last = int(scored[-1])
        at_s = (self._clock.now() if seen.times is None else seen.times[last]).timestamp()
        values = (float(seen.detection.scores[last]), float(seen.detection.severity[last]))
        self.scores.put(seen.ready.detector.name, seen.asset, at_s, values)
        if len(self._to_judge) < self._limit:
            self._to_judge.add(seen.asset)

    async def run(self) -> None:
        """Judge the health of assets that brought rows, once a minute, until cancelled."""
        while True:
            await asyncio.sleep(_HEALTH_EVERY_S)
            await self.judge()

    async def judge(self) -> None:
        """Judge the assets that brought rows since the last time."""
        waiting, self._to_judge = self._to_judge, set()
        try:
            for asset in waiting:
                health = await self._judge(asset)
                if health is not None:
                    self.health.put("", asset, self._clock.now().timestamp(), (health,))
        except AppError as error:
            # They are judged with their next rows.
            log.warning("health_not_judged", assets=len(waiting), code=error.code)

    def points(self) -> Sequence[Point]:
        """What is new since this was last asked for."""
        scores = [
            Point(metric, newest.subject, newest.asset, newest.at_s, value)
            for newest in self.scores.take_changed()
            for metric, value in zip(_METRICS, newest.values, strict=True)
        ]
        return scores + [
            Point(HEALTH, "", each.asset, each.at_s, each.values[0]) for each in self.health.take_changed()
        ]
