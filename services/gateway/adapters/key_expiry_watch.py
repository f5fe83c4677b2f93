"""Tells people of API keys that are about to end, each end once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge

from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.domain.key_expiry import expiry_alert, warns_at
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

_LOOK_EVERY_S = 3600.0
_LOOK_AGAIN_S = 30.0


class KeyExpiryWatch:
    """Looks for keys whose end is near.

    Parameters
    ----------
    take
        Puts alerts on the list; the same one twice is one.
    lead
        How long before the end.
    """

    def __init__(
        self,
        keys: SqlKeys,
        take: Callable[[Sequence[Alert]], Awaitable[None]],
        *,
        lead: timedelta,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._keys = keys
        self._take = take
        self._lead = lead
        self._clock = clock
        self._expiring = Gauge(
            "futago_gateway_api_keys_expiring", "API keys that count and are about to end", registry=registry
        )

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except AppError as error:
                log.warning("key_expiry_not_looked_at", code=error.code)
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Tell of every key that is near its end and was not told of yet."""
        now = self._clock.now()
        ending = await self._keys.ending(now, now + self._lead)
        near = [(key, told) for key, told in ending if warns_at(key, self._lead) <= now]
        self._expiring.set(len(near))
        for key, told in near:
            if not told:
                await self._take([expiry_alert(key, now)])
                await self._keys.mark_warned(key)
