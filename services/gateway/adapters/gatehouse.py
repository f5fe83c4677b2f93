"""What one process needs to let requests in: floors, limits and loans, put together."""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Gauge
from redis.asyncio import Redis

from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.adapters.local_limits import LocalLimits
from services.gateway.adapters.redis_floors import RedisFloors
from services.gateway.adapters.redis_gate import RedisCounter, RedisGate
from services.gateway.domain.credentials import Authenticator, Stamp
from services.gateway.domain.doorman import Doorman, Limits
from services.gateway.domain.floors import KnownFloors
from services.gateway.domain.leases import Leases
from shared.clock import Clock


class Gatehouse:
    """The doorman, and what keeps him informed.

    Parameters
    ----------
    redis
        For limits and for announcing floors.
    watch_redis
        A client that nobody else uses: see `FloorWatch`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        limits: Limits,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        redis: Redis,
        watch_redis: Redis,
    ) -> None:
        self._clock = clock
        self.known = KnownFloors(authenticator.forget_all)
        self._watch_redis = watch_redis
        self._watch = FloorWatch(watch_redis, self.known, clock)
        self.floors = RedisFloors(redis, self._heard)
        self.doorman = Doorman(
            authenticator=authenticator,
            gate=RedisGate(RedisCounter(redis, clock), Leases(), self.known, self._watch, clock),
            limits=limits,
            local=LocalLimits(clock),
            failures=LocalLimits(clock),
        )
        Gauge(
            "futago_gateway_floors_age_seconds",
            "Time since this process last heard of all revocations; above 1.5 what is remembered does not count",
            registry=registry,
        ).set_function(lambda: self.known.age_s(clock.monotonic_s()))

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What has to run beside the requests, by name."""
        return {"floors": self._watch.run, "floors_owed": self.floors.run}

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._watch_redis.aclose()

    def _heard(self, stamp: Stamp) -> None:
        self.known.raise_to(stamp, self._clock.monotonic_s())
