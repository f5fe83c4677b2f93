"""A finished inspection lets the health of its asset begin anew."""

import asyncio
from collections.abc import Mapping

from services.anomaly.domain.health_history import HealthStore
from shared.contracts.inspection import FinishedInspection
from shared.errors import JSON


class InspectionReset:
    """Takes news of inspections; the same news again changes nothing."""

    def __init__(self, store: HealthStore) -> None:
        self._store = store

    async def handle(self, payload: Mapping[str, JSON]) -> None:
        """Take one event.

        Raises
        ------
        PayloadInvalid
            If it is no finished inspection.
        """
        inspection = FinishedInspection.from_json(payload)
        await asyncio.to_thread(self._store.reset, inspection.asset, inspection.ended_at)
