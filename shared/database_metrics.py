"""How long SQL takes, how long callers wait for a connection, and how many of those there are."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import Engine, event
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from shared.tracing import record_span

# From a read of SQLite's cache to the longest that anybody waits for its lock [s].
_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STARTED = "futago_started_s"
_LONGEST_VERB = 12


class TimedPool(QueuePool):
    """SQLAlchemy's usual pool, which tells how long each caller waited."""

    waits_s: Histogram | None = None

    def connect(self) -> PoolProxiedConnection:
        """Wait for a connection."""
        if self.waits_s is None:
            return super().connect()
        started_s = time.perf_counter()
        try:
            return super().connect()
        finally:
            self.waits_s.observe(time.perf_counter() - started_s)


class DatabaseMetrics:
    """What one engine's callers saw; the engine was opened with `TimedPool` or shows no waits."""

    def __init__(self, registry: CollectorRegistry, engine: Engine) -> None:
        self._system = engine.dialect.name
        self._duration_s = Histogram(
            "futago_sql_statement_seconds",
            "Time that the database took for one SQL statement",
            ("operation",),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._failures = Counter("futago_sql_failures", "SQL statements that failed", registry=registry)
        # Looking a series up by its labels costs more than observing.
        self._series = {
            verb: self._duration_s.labels(verb) for verb in ("select", "insert", "update", "delete", "other")
        }
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)
        pool = engine.pool
        if isinstance(pool, TimedPool):
            pool.waits_s = Histogram(
                "futago_sql_pool_wait_seconds",
                "Time that a caller waited for a database connection",
                buckets=_BUCKETS_S,
                registry=registry,
            )
            used = Gauge("futago_sql_connections_in_use", "Database connections in use", registry=registry)
            used.set_function(pool.checkedout)

    def _before(self, _connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001 (SQLAlchemy's signature)
        setattr(context, _STARTED, time.perf_counter())

    def _after(self, _connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        started_s = getattr(context, _STARTED, None)
        if started_s is None:
            return
        duration_s = time.perf_counter() - started_s
        verb = statement[:_LONGEST_VERB].split(None, 1)[0].lower()
        self._series.get(verb, self._series["other"]).observe(duration_s)
        # Of the statement only its verb: values never stand in it, but a name of a table is nobody's business either.
        record_span("sql", duration_s, {"db.system.name": self._system, "db.operation.name": verb})

    def _failed(self, _context: Any) -> None:
        self._failures.inc()
