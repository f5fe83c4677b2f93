"""Takes the bundles of withdrawn versions out of the store, once nobody can be in the middle of loading one."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from anyio import to_thread

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.sql_registry import SqlRegistry
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)


class ArchiveSweeper:
    """Runs on every replica; the database lets one at a time do it.

    Parameters
    ----------
    keep_s
        How long a bundle stays after its version was withdrawn: replicas need seconds to follow [s].
    """

    def __init__(self, sql: SqlRegistry, files: BundleFiles, clock: Clock, *, keep_s: float) -> None:
        self._sql, self._files, self._clock, self._keep_s = sql, files, clock, keep_s

    async def sweep(self) -> int:
        """Forget what was withdrawn long enough ago; how many files.

        Raises
        ------
        DatabaseUnavailable, StoreUnavailable
            If one of them is away; the next sweep goes on.
        """
        before = self._clock.now() - timedelta(seconds=self._keep_s)
        forgotten = await to_thread.run_sync(self._sql.forget_archives, before, self._files.forget)
        if forgotten:
            log.info("withdrawn_bundles_forgotten", count=forgotten)
        return forgotten

    async def follow(self, every_s: float, stop: asyncio.Event) -> None:
        """Sweep until told to stop; a sweep that fails is tried again."""
        while not stop.is_set():
            try:
                await self.sweep()
            except AppError as error:
                log.warning("withdrawn_bundles_kept", code=error.code)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
