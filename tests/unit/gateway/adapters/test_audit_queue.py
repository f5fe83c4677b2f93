"""The queue of accesses on their way to the audit chain."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.domain.audit import ANONYMOUS, Event
from services.gateway.domain.audit_batches import Batch
from services.gateway.domain.audit_repeats import SINGLE
from shared.database import DatabaseUnavailable
from tests.unit.gateway.fakes import NOW, SOURCE, FakeClock


def event(number: int, user: str = "ann", status: int = 200) -> Event:
    return Event(NOW, user, "GET /x", str(number), success=status < 400, source=SOURCE, facts={"status": status})


class Chain:
    """Where batches go; while it is away, it takes none."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.refused: list[str] = []
        self.away = False
        self.delivered = asyncio.Event()

    async def deliver(self, batch: Batch) -> None:
        if self.away:
            self.refused.append(batch.batch_id)
            raise DatabaseUnavailable
        self.batches.append(batch)
        self.delivered.set()

    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch.events]


def queue_to(chain: Chain, registry: CollectorRegistry | None = None, capacity: int = 50_000) -> AuditQueue:
    return AuditQueue(chain.deliver, FakeClock(), registry or CollectorRegistry(), capacity=capacity)


async def finish(queue: AuditQueue) -> None:
    queue.close()
    await asyncio.wait_for(queue.run(), 5)


def dropped(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("futago_gateway_audit_dropped_total")


async def test_what_came_in_is_handed_on_in_order_and_together():
    chain = Chain()
    queue = queue_to(chain)
    for number in range(1200):
        queue.put(event(number))
    await finish(queue)
    assert [len(batch.events) for batch in chain.batches] == [500, 500, 200]
    assert [event.resource for event in chain.events()] == [str(number) for number in range(1200)]
    assert len({batch.batch_id for batch in chain.batches}) == 3


async def test_while_it_runs_events_are_handed_on_without_being_asked_for():
    chain = Chain()
    queue = queue_to(chain)
    running = asyncio.create_task(queue.run())
    queue.put(event(1))
    await asyncio.wait_for(chain.delivered.wait(), 5)
    queue.close()
    await running


async def test_what_comes_while_a_batch_is_on_its_way_gathers_for_the_next_one():
    chain = Chain()

    async def deliver(batch: Batch) -> None:
        await chain.deliver(batch)
        if len(chain.batches) == 1:
            queue.put(event(2))
            asyncio.get_running_loop().call_later(0.01, queue.put, event(3))

    queue = AuditQueue(deliver, FakeClock(), CollectorRegistry())
    running = asyncio.create_task(queue.run())
    queue.put(event(1))
    while len(chain.events()) < 3:
        chain.delivered.clear()
        await asyncio.wait_for(chain.delivered.wait(), 5)
    queue.close()
    await running
    assert [len(batch.events) for batch in chain.batches] == [1, 2]


async def test_what_one_batch_does_not_hold_does_not_wait_for_the_next_access():
    chain = Chain()
    queue = queue_to(chain)
    for number in range(700):
        queue.put(event(number))
    running = asyncio.create_task(queue.run())
    # Far less than the time after which the queue looks by itself.
    async with asyncio.timeout(2):
        while len(chain.events()) < 700:
            chain.delivered.clear()
            await chain.delivered.wait()
    queue.close()
    await running
    assert [len(batch.events) for batch in chain.batches] == [500, 200]


async def test_a_batch_that_could_not_be_delivered_comes_again_under_its_name(monkeypatch: pytest.MonkeyPatch):
    chain = Chain()
    chain.away = True
    queue = queue_to(chain)
    monkeypatch.setattr("services.gateway.adapters.audit_queue._RETRY_S", 0)
    running = asyncio.create_task(queue.run())
    queue.put(event(1))
    while len(chain.refused) < 3:
        await asyncio.sleep(0)
    queue.put(event(2))
    chain.away = False
    queue.close()
    await asyncio.wait_for(running, 5)
    assert set(chain.refused) == {chain.batches[0].batch_id}
    assert [event.resource for event in chain.events()] == ["1", "2"]


async def test_what_a_full_queue_could_not_keep_is_counted_and_told_in_its_place():
    registry, chain = CollectorRegistry(), Chain()
    queue = queue_to(chain, registry, capacity=3)
    for number in range(5):
        queue.put(event(number))
    await finish(queue)
    *kept, gap = chain.events()
    assert ([event.resource for event in kept], dropped(registry)) == (["0", "1", "2"], 2.0)
    assert (gap.action, gap.facts["lost"], gap.facts["since"]) == ("audit.gap", 2, "2026-04-01T00:00:00Z")


async def test_a_database_that_stays_away_does_not_hold_up_the_shutdown():
    registry, chain = CollectorRegistry(), Chain()
    chain.away = True
    queue = queue_to(chain, registry)
    queue.put(event(1))
    await finish(queue)
    assert (chain.batches, dropped(registry)) == ([], 1.0)


async def test_a_stranger_who_knocks_too_often_is_counted_and_a_caller_is_told_of_every_time():
    chain = Chain()
    queue = queue_to(chain)
    for number in range(SINGLE + 500):
        queue.put(event(number, ANONYMOUS, 401))
        queue.put(event(number, "ann", 403))
    await finish(queue)
    strangers = [event for event in chain.events() if event.user == ANONYMOUS]
    assert [event.facts.get("repeated") for event in strangers] == [None] * (1 + SINGLE) + [499]
    assert len(chain.events()) == len(strangers) + SINGLE + 500
