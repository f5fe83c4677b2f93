"""The queue of accesses on their way to the audit chain."""

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.domain.audit import Event
from shared.database import DatabaseUnavailable
from tests.unit.gateway.fakes import NOW, SOURCE


def event(number: int) -> Event:
    return Event(NOW, "ann", "GET /x", str(number), success=True, source=SOURCE)


class Chain:
    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = False

    def append(self, events: Sequence[Event]) -> None:
        if self.away:
            raise DatabaseUnavailable
        self.batches.append([entry.resource for entry in events])


async def finish(queue: AuditQueue) -> None:
    queue.close()
    await asyncio.wait_for(queue.run(), 5)


def dropped(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("futago_gateway_audit_dropped_total")


async def test_what_came_in_is_written_in_order_and_together():
    chain = Chain()
    queue = AuditQueue(chain.append, CollectorRegistry())
    for number in range(2500):
        queue.put(event(number))
    await finish(queue)
    assert [len(batch) for batch in chain.batches] == [1000, 1000, 500]
    assert [resource for batch in chain.batches for resource in batch] == [str(number) for number in range(2500)]


async def test_while_it_runs_events_are_written_without_being_asked_for():
    written = asyncio.Event()
    loop = asyncio.get_running_loop()
    queue = AuditQueue(lambda _: loop.call_soon_threadsafe(written.set), CollectorRegistry())
    running = asyncio.create_task(queue.run())
    queue.put(event(1))
    await asyncio.wait_for(written.wait(), 5)
    queue.close()
    await running


async def test_a_full_queue_counts_what_it_cannot_keep():
    registry, chain = CollectorRegistry(), Chain()
    queue = AuditQueue(chain.append, registry, capacity=3)
    for number in range(5):
        queue.put(event(number))
    await finish(queue)
    assert (chain.batches, dropped(registry)) == ([["0", "1", "2"]], 2.0)


async def test_a_database_that_stays_away_does_not_hold_up_the_shutdown():
    registry, chain = CollectorRegistry(), Chain()
    chain.away = True
    queue = AuditQueue(chain.append, registry)
    queue.put(event(1))
    await finish(queue)
    assert (chain.batches, dropped(registry)) == ([], 1.0)
