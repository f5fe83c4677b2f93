"""How long Redis takes to answer, and how often it does not."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from redis.asyncio import Redis

from shared.tracing import record_span

# From a server on the same machine to more than any client here waits [s].
_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class RedisMetrics:
    """What the Redis clients of one process saw."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration_s = Histogram(
            "futago_redis_command_seconds",
            "Time from a single Redis command to its answer; pipelines and blocking reads are not in it",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._failures = Counter(
            "futago_redis_failures", "Redis commands that got an error or no answer", registry=registry
        )

    def watch(self, client: Redis) -> Redis:
        """Time the commands of a client, and hand it back; not for one that waits inside Redis."""
        ask = client.execute_command

        async def timed(*args: Any, **options: Any) -> Any:
            started_s = time.perf_counter()
            try:
                answer = await ask(*args, **options)  # type: ignore[no-untyped-call]
            except Exception:
                # Not where the caller gave up, perhaps after milliseconds: that tells nothing of Redis.
                self._note(args[0], time.perf_counter() - started_s, failed=True)
                raise
            self._note(args[0], time.perf_counter() - started_s, failed=False)
            return answer

        # On the object: redis-py knows no hook, and a class of our own would have to be known to its sentinels too.
        client.execute_command = timed  # type: ignore[method-assign]
        return client

    def _note(self, command: object, duration_s: float, *, failed: bool) -> None:
        if failed:
            self._failures.inc()
        else:
            self._duration_s.observe(duration_s)
        # Of the command only its verb: keys and values are nobody's business.
        record_span("redis", duration_s, {"db.system.name": "redis", "db.operation.name": str(command)}, failed=failed)
