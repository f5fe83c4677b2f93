import asyncio
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.redis_metrics import RedisMetrics


class Server:
    """Answers a command, fails it, or never does either."""

    async def execute_command(self, *args: str, **_options: Any) -> str:
        if args[0] == "HANG":
            await asyncio.Event().wait()
        if args[0] == "FAIL":
            raise RedisConnectionError("away")
        return "PONG"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def client(registry: CollectorRegistry) -> Redis:
    return RedisMetrics(registry).watch(cast("Redis", Server()))


async def ask(client: Redis, command: str) -> object:
    return await client.execute_command(command)  # type: ignore[no-untyped-call]


def seen(registry: CollectorRegistry) -> tuple[float | None, float | None]:
    names = ("futago_redis_command_seconds_count", "futago_redis_failures_total")
    answered, failed = (registry.get_sample_value(name) for name in names)
    return answered, failed


async def test_a_command_that_is_answered_is_timed(client: Redis, registry: CollectorRegistry):
    assert await ask(client, "PING") == "PONG"
    assert seen(registry) == (1, 0)


async def test_a_command_that_gets_an_error_is_a_failure(client: Redis, registry: CollectorRegistry):
    with pytest.raises(RedisConnectionError):
        await ask(client, "FAIL")
    assert seen(registry) == (0, 1)


async def test_a_caller_that_gives_up_is_no_failure_of_redis(client: Redis, registry: CollectorRegistry):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await ask(client, "HANG")
    assert seen(registry) == (0, 0)
