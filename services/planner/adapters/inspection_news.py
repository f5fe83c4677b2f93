"""Finished inspections on their way to whoever judges the equipment's condition."""

from redis.asyncio import Redis

from services.planner.domain.inspections import Inspection
from shared.contracts.inspection import FinishedInspection
from shared.events import EventsUnavailable, publish_inspection
from shared.log import get_logger

log = get_logger(__name__)


class RedisInspectionNews:
    """Implements `inspections.InspectionNews`; news that cannot be sent are logged, and told again with the record."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def finished(self, inspection: Inspection) -> None:
        if inspection.asset is None:
            return
        news = FinishedInspection(inspection.asset, inspection.finished, inspection.recorded_at)
        try:
            await publish_inspection(self._redis, news)
        except EventsUnavailable as error:
            log.warning("inspection_untold", inspection=inspection.id, reason=error.code)
