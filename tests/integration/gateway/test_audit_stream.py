"""The stream that carries accesses to the audit chain: nothing is lost with a process, nothing is written twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import Engine, text

from services.gateway.adapters.audit_rows import read_slice
from services.gateway.adapters.audit_stream import STREAM, AuditStream
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.domain.audit import Event
from services.gateway.domain.audit_batches import Batch
from shared.clock import SystemClock
from shared.database import DatabaseUnavailable, open_engine, write
from shared.events import BLOCK_S
from shared.redis_client import async_client, async_waiting_client
from tests.integration.conftest import Valkey
from tests.unit.gateway.fakes import NOW, SOURCE

KILLED = Path(__file__).with_name("killed_gateway.py")


def event(name: str) -> Event:
    return Event(NOW, "ann", "GET /x", name, success=True, source=SOURCE, facts={"status": 200, "key": "k1"})


def batch(name: str) -> Batch:
    return Batch(name, (event(f"{name}-1"), event(f"{name}-2")))


class Replica:
    """One process's ends of the stream."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.redis: Redis = async_client(url)
        self.waiting: Redis = async_waiting_client(url, wait_s=BLOCK_S)
        self.stream = AuditStream(self.redis, self.waiting, SqlAudit(engine), SystemClock())

    async def aclose(self) -> None:
        await self.redis.aclose()
        await self.waiting.aclose()


@pytest.fixture
async def replica(redis_url: str, engine: Engine) -> AsyncIterator[Replica]:
    replica = Replica(redis_url, engine)
    yield replica
    await replica.aclose()


def written(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [entry.event.resource for entry in read_slice(connection, 0, 10_000, 10_000)]


async def until_written(engine: Engine, count: int) -> list[str]:
    for _ in range(200):
        if len(found := await asyncio.to_thread(written, engine)) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found} within 10 s")


async def test_batches_are_written_once_and_in_order_by_whichever_replica_has_its_turn(
    redis_url: str, engine: Engine, replica: Replica
):
    other = Replica(redis_url, engine)
    writers = [asyncio.create_task(each.stream.run()) for each in (replica, other)]
    for number in range(4):
        await (replica, other)[number % 2].stream.deliver(batch(f"b{number}"))
    found = await until_written(engine, 8)
    assert found == [f"b{number}-{half}" for number in range(4) for half in (1, 2)]
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    assert await replica.redis.xlen(STREAM) == 0
    await other.aclose()


async def test_a_batch_that_comes_again_is_written_once(engine: Engine, replica: Replica):
    # As after a writer that died between its transaction and the answer to Redis, and after a lost answer of Redis.
    for _ in range(2):
        await replica.stream.deliver(batch("b1"))
    await replica.stream.drain()
    await replica.stream.deliver(batch("b1"))
    await replica.stream.drain()
    assert written(engine) == ["b1-1", "b1-2"]
    assert SqlAudit(engine).forget_batches(SystemClock().now() + timedelta(seconds=1)) == 1


async def test_while_redis_is_away_batches_go_straight_to_the_database(own_valkey: Valkey, sqlite_engine: Engine):
    replica = Replica(own_valkey.url, sqlite_engine)
    await replica.stream.deliver(batch("b1"))
    own_valkey.stop()
    await replica.stream.deliver(batch("b2"))
    assert written(sqlite_engine) == ["b2-1", "b2-2"]
    own_valkey.start()
    await replica.stream.drain()
    assert written(sqlite_engine) == ["b2-1", "b2-2", "b1-1", "b1-2"]
    await replica.aclose()


async def test_with_the_database_away_the_stream_keeps_what_comes_and_the_rest_is_refused(
    redis_url: str, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    replica = Replica(redis_url, sqlite_engine)
    monkeypatch.setattr("services.gateway.adapters.audit_stream.STREAM_BATCHES", 2)
    monkeypatch.setattr("shared.database.BUSY_TIMEOUT_S", 0.05)
    with write(sqlite_engine) as connection:
        connection.execute(text("SELECT 1"))
        locked = open_engine(str(sqlite_engine.url))
        blocked = Replica(redis_url, locked)
        for name in ("b1", "b2"):
            await blocked.stream.deliver(batch(name))
        with pytest.raises(DatabaseUnavailable):
            await blocked.stream.deliver(batch("b3"))
        await blocked.stream.drain()
        assert await blocked.redis.xlen(STREAM) == 2
    await replica.stream.drain()
    assert written(sqlite_engine) == ["b1-1", "b1-2", "b2-1", "b2-2"]
    await blocked.aclose()
    await replica.aclose()
    locked.dispose()


async def test_a_message_that_nobody_can_read_leaves_an_entry_and_does_not_stop_those_behind(
    sqlite_engine: Engine, redis_url: str
):
    replica = Replica(redis_url, sqlite_engine)
    for payload in (b"no JSON", b'{"id": "b0", "events": [[1, 2]]}', b'{"events": []}'):
        await replica.redis.xadd(STREAM, {b"payload": payload})
    await replica.stream.deliver(batch("b1"))
    await replica.stream.drain()
    assert written(sqlite_engine) == ["audit", "audit", "audit", "b1-1", "b1-2"]
    await replica.aclose()


def answers_of_a_killed_process(redis_url: str, database_url: str) -> list[str]:
    command = [sys.executable, KILLED, redis_url, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(400)]
        process.send_signal(signal.SIGKILL)
        # Its last line may be half of one.
        return lines + [line for line in process.stdout.read().splitlines() if line.endswith(".")]


async def test_a_killed_process_loses_a_moment_of_accesses_and_no_act_that_it_answered(
    redis_url: str, sqlite_url: str, sqlite_engine: Engine
):
    # It takes an access every millisecond and an act every twentieth, and says on its output what it has answered.
    answered = [line.split() for line in await asyncio.to_thread(answers_of_a_killed_process, redis_url, sqlite_url)]
    replica = Replica(redis_url, sqlite_engine)
    await replica.stream.drain()
    await replica.aclose()
    kept = set(written(sqlite_engine))
    acts = [name for kind, name, _, _ in answered if kind == "act"]
    assert acts
    assert set(acts) <= kept
    accesses = [(name, float(at_s)) for kind, name, at_s, _ in answered if kind == "access"]
    lost_at_s = [at_s for name, at_s in accesses if name not in kept]
    # A batch is gathered for 0.05 s; the rest is for a busy machine.
    assert accesses[-1][1] - min(lost_at_s, default=accesses[-1][1]) < 0.5
    assert sum(name in kept for name, _ in accesses) > 100
