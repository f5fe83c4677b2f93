"""When API keys were last used: noted at once, stored now and then."""

import asyncio
from datetime import datetime

from services.gateway.adapters.sql_keys import SqlKeys
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

_STORE_EVERY_S = 10.0


class KeyUses:
    """Collects uses, as a write for each request would cost more than the request."""

    def __init__(self, keys: SqlKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._uses: dict[str, datetime] = {}

    def note(self, key_id: str) -> None:
        """A key was used just now."""
        self._uses[key_id] = self._clock.now()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            await asyncio.sleep(_STORE_EVERY_S)
            await self.store()

    async def store(self) -> None:
        """Store what was noted; if the database is away, try again the next time."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._keys.note_uses(uses)
        except AppError as error:
            log.warning("key_uses_delayed", code=error.code)
            self._uses = uses | self._uses
