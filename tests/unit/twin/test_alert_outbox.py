"""The outbox of alerts: what waits, what makes room, and that nobody else is held up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from services.twin.adapters.alert_outbox import AlertOutbox
from shared.contracts.alert import Alert, Severity
from shared.events import EventsUnavailable

ALERT = Alert("a1", "twin", "k", Severity.WARNING, None, "yield", "m", datetime(2026, 4, 1, tzinfo=UTC), "key")


class Stream:
    """Takes alerts, unless it is away, or the alert is one that has no form."""

    def __init__(self) -> None:
        self.away, self.taken, self.asked = False, list[str](), 0
        self.answers: Callable[[], Awaitable[None]] | None = None

    async def publish(self, alert: Alert) -> None:
        self.asked += 1
        if self.answers is not None:
            await self.answers()
        if self.away:
            raise EventsUnavailable
        if alert.id == "broken":
            raise ValueError
        self.taken.append(alert.id)


def alert(number: int) -> Alert:
    return replace(ALERT, id=f"a{number}", dedup_key=f"key{number}")


def count(registry: CollectorRegistry, outcome: str) -> float | None:
    return registry.get_sample_value("futago_twin_alerts_total", {"outcome": outcome})


async def test_what_found_nobody_is_sent_later_once_and_in_its_newest_form():
    stream, registry = Stream(), CollectorRegistry()
    outbox = AlertOutbox(stream.publish, registry)
    stream.away = True
    outbox.put(ALERT)
    await outbox.flush()
    outbox.put(replace(ALERT, id="a2"))
    outbox.put(alert(3))
    await outbox.flush()
    assert stream.taken == []
    stream.away = False
    await outbox.flush()
    await outbox.flush()
    assert stream.taken == ["a2", "a3"]
    assert (count(registry, "sent"), count(registry, "dropped")) == (2, 0)


async def test_an_alert_that_comes_while_one_of_its_condition_is_under_way_is_sent_too():
    stream = Stream()
    outbox = AlertOutbox(stream.publish, CollectorRegistry())

    async def newer_comes() -> None:
        stream.answers = None
        outbox.put(replace(ALERT, id="a2"))

    stream.answers = newer_comes
    outbox.put(ALERT)
    await outbox.close()
    assert stream.taken == ["a1", "a2"]


async def test_one_that_cannot_be_sent_at_all_does_not_hold_up_those_behind_it():
    stream, registry = Stream(), CollectorRegistry()
    outbox = AlertOutbox(stream.publish, registry)
    outbox.put(replace(alert(1), id="broken"))
    outbox.put(alert(2))
    await outbox.close()
    assert (stream.taken, count(registry, "dropped")) == (["a2"], 1)


async def test_a_storm_during_an_outage_is_bounded_and_what_it_lost_is_counted():
    stream, registry = Stream(), CollectorRegistry()
    outbox = AlertOutbox(stream.publish, registry)
    stream.away = True
    for number in range(1_500):
        outbox.put(alert(number))
    await asyncio.sleep(0)
    assert stream.asked == 1
    stream.away = False
    await outbox.flush()
    assert (len(stream.taken), stream.taken[-1], count(registry, "dropped")) == (1_000, "a1499", 500)
