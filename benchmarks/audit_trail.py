"""The audit trail: a million entries written, verified, searched; and what an access costs on its way there."""

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from benchmarks.redis_server import redis_server
from services.gateway.adapters.audit_checkpoints import Checkpoints
from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.adapters.audit_seal_keys import SealKey, SealKeys
from services.gateway.adapters.audit_stream import AuditStream
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain.audit import Event, Source
from services.gateway.domain.audit_batches import Batch
from services.gateway.domain.audit_search import AuditFilter
from shared.clock import SystemClock
from shared.database import open_engine
from shared.events import BLOCK_S
from shared.redis_client import async_client, async_waiting_client

_ENTRIES, _AT_ONCE, _USERS = 1_000_000, 2_000, 50
_ACCESSES, _RATE_HZ = 20_000, 2_000
_PAGES = 20
_START = datetime(2026, 4, 1, tzinfo=UTC)


def main() -> None:
    """Print seconds and entries a second, memory, milliseconds a page, and microseconds of processor an access."""
    key = ec.generate_private_key(ec.SECP256R1())
    seal_key = SealKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder) / "trail.db") as engine:
        _fill(engine)
        size_mb = (Path(folder) / "trail.db").stat().st_size / 1e6
        print(f"  {_ENTRIES} entries take {size_mb:.0f} MB")
        judge = SealKeys([seal_key.public_key])
        Checkpoints(engine, seal_key, judge, SystemClock(), CollectorRegistry()).look()
        book = SqlAuditBook(engine, judge)
        _verify(book)
        _search(book)
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder) / "trail.db") as engine:
        asyncio.run(_carry(engine))


@contextmanager
def _database(path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{path}"
    migrate_gateway(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


def _event(number: int, at: datetime) -> Event:
    return Event(
        at=at,
        user=f"user-{number % _USERS}",
        action=f"POST /api/v1/twin/predict{number % 7}",
        resource="/api/v1/twin/predict",
        success=number % 200 != 0,
        source=Source(f"192.0.2.{number % 200}", f"{number:032x}"),
        facts={"status": 200, "key": "SIATAc5r3yk9"},
    )


def _fill(engine: Engine) -> None:
    audit = SqlAudit(engine)
    started_s = time.perf_counter()
    for first in range(0, _ENTRIES, _AT_ONCE):
        audit.append([_event(n, _START + timedelta(seconds=n)) for n in range(first, first + _AT_ONCE)])
    seconds = time.perf_counter() - started_s
    print(f"  written, {_AT_ONCE} a transaction: {seconds:6.1f} s, {_ENTRIES / seconds:8.0f} entries/s")


def _verify(book: SqlAuditBook) -> None:
    before_mb = _peak_mb()
    started_s = time.perf_counter()
    found = book.verify_now().found
    seconds = time.perf_counter() - started_s
    grown_mb = _peak_mb() - before_mb
    print(
        f"  verified whole: {seconds:6.1f} s, {found.entries / seconds:8.0f} entries/s, {grown_mb:.0f} MB more memory"
    )
    if not found.intact:
        raise SystemExit(f"the trail is not intact: {found}")
    started_s = time.perf_counter()
    part = book.verify_part(None)
    print(f"  one part of it: {time.perf_counter() - started_s:6.1f} s, {part.found.entries} entries")


def _search(book: SqlAuditBook) -> None:
    middle = _START + timedelta(seconds=_ENTRIES / 2)
    asked = {
        "newest": AuditFilter(),
        "of a user": AuditFilter(user="user-7"),
        "of nobody": AuditFilter(user="nobody"),
        "failed": AuditFilter(success=False),
        "failed, of a user": AuditFilter(success=False, user="user-7"),
        "an action": AuditFilter(action="POST /api/v1/twin/predict3"),
        "actions by beginning": AuditFilter(action="POST *"),
        "no action by beginning": AuditFilter(action="auth.*"),
        "one request": AuditFilter(request_id=f"{12345:032x}"),
        "an address": AuditFilter(address="192.0.2.9"),
        "until half-way": AuditFilter(until=middle),
        "an hour half-way": AuditFilter(since=middle, until=middle + timedelta(hours=1)),
        "an hour of a user": AuditFilter(user="user-7", since=middle, until=middle + timedelta(hours=1)),
    }
    for name, wanted in asked.items():
        taken_ms = [_ms(lambda wanted=wanted: asyncio.run(book.page(wanted, limit=50, cursor=None))) for _ in range(5)]
        print(f"  page of 50, {name:24s} {statistics.median(taken_ms):8.1f} ms")


async def _carry(engine: Engine) -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        redis, waiting = async_client(url), async_waiting_client(url, wait_s=BLOCK_S)
        chain = SqlAudit(engine)
        stream = AuditStream(redis, waiting, chain, clock)

        async def straight(batch: Batch) -> None:
            await asyncio.to_thread(chain.append_batches, [batch], clock.now())

        async def nowhere(_: Batch) -> None: ...

        for name, deliver in (
            ("queue alone", nowhere),
            ("straight to SQL", straight),
            ("by the stream", stream.deliver),
        ):
            queue = AuditQueue(deliver, clock, CollectorRegistry())
            background = [asyncio.create_task(queue.run())]
            if deliver == stream.deliver:
                background.append(asyncio.create_task(stream.run()))
            idle_us = await _pace(lambda _: None)
            spent_us = await _pace(queue.put)
            queue.close()
            await background[0]
            print(f"  an access, {name:16s} {spent_us - idle_us:6.1f} us of processor")
            for task in background[1:]:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        await redis.aclose()
        await waiting.aclose()


async def _pace(put: Callable[[Event], None]) -> float:
    """Processor time of the whole process for one access [us], at a steady rate."""
    events = [_event(number, _START) for number in range(_ACCESSES)]
    tick = _RATE_HZ // 100
    started_s = time.process_time()
    for first in range(0, _ACCESSES, tick):
        for event in events[first : first + tick]:
            put(event)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    return (time.process_time() - started_s) / _ACCESSES * 1e6


def _ms(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return (time.perf_counter() - started_s) * 1e3


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
