"""What one process does for the audit trail beside its requests: its parts, put together."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import Engine

from services.gateway.adapters.audit_checkpoints import Checkpoints
from services.gateway.adapters.audit_destinations import open_exports
from services.gateway.adapters.audit_exporter import AuditExporter, ExportMetrics
from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.adapters.audit_retention import AuditRetention
from services.gateway.adapters.audit_seal_keys import SealKey, open_seal_keys
from services.gateway.adapters.audit_stream import AuditStream
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.sql_exports import SqlExports
from shared.clock import Clock
from shared.retention import Rule

# A message whose batch is written is taken out of the stream at once; an hour covers a Redis that forgot that.
_BATCHES_KNOWN = timedelta(hours=1)


class AuditOffice:
    """Takes accesses, writes, signs, exports and cuts the trail.

    Parameters
    ----------
    key_file, verify_files
        The key that signs the trail, and public keys that did before.
    keep
        How long entries are kept; `None` for ever.
    redis, waiting_redis
        As for `AuditStream`.
    """

    def __init__(
        self,
        engine: Engine,
        chain: SqlAudit,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        redis: Redis,
        waiting_redis: Redis,
        key_file: Path,
        verify_files: Sequence[Path],
        keep: timedelta | None,
        export_urls: Sequence[str],
    ) -> None:
        key = SealKey(key_file.read_bytes())
        judge = open_seal_keys(key, verify_files)
        destinations = open_exports(export_urls)
        exports, metrics = SqlExports(engine), ExportMetrics(registry)
        retention = AuditRetention(
            engine, key, judge, clock, destinations=[destination.name for destination in destinations]
        )
        self.book = SqlAuditBook(engine, judge)
        self._stream = AuditStream(redis, waiting_redis, chain, clock)
        self.queue = AuditQueue(self._stream.deliver, clock, registry)
        self._checkpoints = Checkpoints(engine, key, judge, clock, registry)
        self._exporters = {
            destination.name: AuditExporter(destination, exports, clock, metrics) for destination in destinations
        }
        self.rules = (
            Rule("audit entries", keep, retention.remove),
            Rule("audit batches", _BATCHES_KNOWN, chain.forget_batches),
        )

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What goes on beside the requests, by name."""
        return {
            "audit_stream": self._stream.run,
            "audit_checkpoints": self._checkpoints.run,
            **{f"audit export to {name}": exporter.run for name, exporter in self._exporters.items()},
        }

    async def finish(self) -> None:
        """Write what stands in the stream, once nothing more comes in."""
        await self._stream.drain()
