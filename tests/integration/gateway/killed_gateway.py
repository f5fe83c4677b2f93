"""A process for a test to kill: takes accesses and acts as the gateway does, and says what it has answered."""

import asyncio
import sys
import time

from prometheus_client import CollectorRegistry

from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.adapters.audit_stream import AuditStream
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.domain.audit import Event, Source
from shared.clock import SystemClock
from shared.database import open_engine
from shared.events import BLOCK_S
from shared.redis_client import async_client, async_waiting_client

ACT_EVERY, PAUSE_S = 20, 0.001


async def work(redis_url: str, database_url: str) -> None:
    clock, chain = SystemClock(), SqlAudit(open_engine(database_url))
    stream = AuditStream(async_client(redis_url), async_waiting_client(redis_url, wait_s=BLOCK_S), chain, clock)
    queue = AuditQueue(stream.deliver, clock, CollectorRegistry())
    background = asyncio.gather(queue.run(), stream.run())
    number = 0
    while not background.done():
        number += 1
        kind = "access" if number % ACT_EVERY else "act"
        event = Event(clock.now(), "ann", kind, f"{kind}-{number}", success=True, source=Source("192.0.2.1", "r"))
        if kind == "act":
            await chain.record(event)
        else:
            queue.put(event)
        print(kind, event.resource, time.monotonic(), ".", flush=True)  # noqa: T201 (its answers)
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
