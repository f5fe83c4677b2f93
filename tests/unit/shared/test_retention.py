"""Cleaning up: each rule by itself, again and again, with figures of what went."""

import asyncio
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError

from shared.database import DatabaseUnavailable
from shared.retention import CleanUp, Rule, days
from tests.conftest import SteppingClock


class Shelf:
    """Things with the moment they came, or an error in their place."""

    def __init__(self, *moments: datetime, error: Exception | None = None) -> None:
        self.moments, self.error = list(moments), error

    def remove(self, before: datetime) -> int:
        if self.error is not None:
            raise self.error
        count = len(self.moments)
        self.moments = [moment for moment in self.moments if moment >= before]
        return count - len(self.moments)


def value(metrics: CollectorRegistry, name: str, what: str) -> float | None:
    return metrics.get_sample_value(f"futago_retention_{name}_total", {"what": what})


async def test_what_is_older_than_its_time_goes_and_is_counted(clock: SteppingClock):
    now, metrics = clock.now(), CollectorRegistry()
    shelf = Shelf(now - timedelta(days=8), now - timedelta(days=6), now)
    clean_up = CleanUp([Rule("uploads", days(7), shelf.remove)], clock=clock, metrics=metrics)
    await clean_up.once()
    assert shelf.moments == [now - timedelta(days=6), now]
    clock.step(2 * 24 * 3600)
    await clean_up.once()
    assert shelf.moments == [now]
    assert value(metrics, "removed", "uploads") == 2


async def test_zero_days_keep_for_ever(clock: SteppingClock):
    shelf, metrics = Shelf(datetime.fromtimestamp(0, clock.now().tzinfo)), CollectorRegistry()
    await CleanUp([Rule("jobs", days(0), shelf.remove)], clock=clock, metrics=metrics).once()
    assert (len(shelf.moments), value(metrics, "removed", "jobs")) == (1, 0)


@pytest.mark.parametrize("error", [DatabaseUnavailable(), ValueError("a bug"), OperationalError("x", {}, ValueError())])
async def test_a_rule_that_fails_is_counted_and_takes_no_other_along(clock: SteppingClock, error: Exception):
    metrics, shelf = CollectorRegistry(), Shelf(clock.now() - timedelta(days=2))
    rules = [Rule("jobs", days(1), Shelf(error=error).remove), Rule("alerts", days(1), shelf.remove)]
    await CleanUp(rules, clock=clock, metrics=metrics).once()
    assert (value(metrics, "failures", "jobs"), value(metrics, "failures", "alerts")) == (1, 0)
    assert shelf.moments == []


async def test_it_goes_on_after_the_first_time(clock: SteppingClock):
    times, enough = 0, asyncio.Event()
    loop = asyncio.get_running_loop()

    def remove(_: datetime) -> int:
        nonlocal times
        times += 1
        if times == 3:
            loop.call_soon_threadsafe(enough.set)
        return 0

    rules = [Rule("jobs", days(1), remove)]
    clean_up = CleanUp(rules, clock=clock, metrics=CollectorRegistry(), every_s=0.0, first_within_s=0.0)
    async with asyncio.timeout(10.0):
        task = asyncio.create_task(clean_up.run())
        await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
