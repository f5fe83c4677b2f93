"""Who asks for a reading of the floors while one is under way, or has only just ended."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from services.gateway.adapters.floor_watch import FloorWatch
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.floors import KnownFloors
from tests.unit.gateway.fakes import FakeClock


class History:
    """Stands for a Redis to whose history nothing was ever added.

    Parameters
    ----------
    when_read
        Called as the last thing that each reading does.
    """

    def __init__(self, when_read: Callable[[], None]) -> None:
        self.readings = 0
        self._when_read = when_read
        self._answers: tuple[object, object] = (None, [])

    def pipeline(self, *, transaction: bool) -> "History":
        assert not transaction
        return self

    async def __aenter__(self) -> "History":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def client_getname(self) -> None:
        self._answers = (None, [])

    def xrange(self, _name: str, **_: object) -> None:
        return

    def client_setname(self, _name: str) -> None:
        self._answers = (True, b"1-0")

    def xadd(self, _name: str, _entry: object, **_: object) -> None:
        return

    async def execute(self) -> tuple[object, object]:
        # None of what it knows is found again, so that each reading is in two parts and ends with a new beginning.
        named, _ = self._answers
        if named:
            self.readings += 1
            self._when_read()
        return self._answers


def watch_of(history: History, clock: FakeClock) -> FloorWatch:
    return FloorWatch(cast("Redis", history), KnownFloors(lambda: None), clock)


async def test_those_who_ask_at_the_same_time_share_a_reading():
    history = History(lambda: None)
    watch = watch_of(history, FakeClock())
    await asyncio.gather(*(watch.read_now() for _ in range(5)))
    assert history.readings == 1


@pytest.mark.timeout(20)
async def test_whoever_asks_between_the_end_of_a_reading_and_its_clearing_away_gets_the_next_one():
    clock, late = FakeClock(), []

    def ask_later() -> None:
        if not late:
            clock.advance(seconds=1)
            # Begins before what the loop does for a task that has ended.
            late.append(asyncio.create_task(watch.read_now()))

    history = History(ask_later)
    watch = watch_of(history, clock)
    await watch.read_now()
    await late[0]
    assert history.readings == 2


class LateHistory(History):
    """Its first readings are told too late, as those of a process that was held up."""

    def __init__(self, late: int) -> None:
        super().__init__(lambda: None)
        self.asked = 0
        self._late = late

    async def execute(self) -> tuple[object, object]:
        self.asked += 1
        if self.asked <= self._late:
            raise RedisTimeout
        return await super().execute()


async def test_one_reading_that_came_too_late_refuses_nobody_who_asks_after_it():
    history = LateHistory(late=1)
    watch = watch_of(history, FakeClock())
    with pytest.raises(RedisAway):
        await watch.read_now()
    await watch.read_now()
    assert history.readings == 1


async def test_once_redis_is_away_one_in_half_a_second_waits_for_it_and_the_others_know_at_once():
    history, clock = LateHistory(late=4), FakeClock()
    watch = watch_of(history, clock)
    asked = []
    for pause_s in (0.0, 0.0, 0.0, 0.4, 0.2, 0.4):
        clock.advance(seconds=pause_s)
        with pytest.raises(RedisAway):
            await watch.read_now()
        asked.append(history.asked)
    assert asked == [1, 2, 3, 3, 4, 4]
    clock.advance(seconds=0.2)
    await watch.read_now()
    await watch.read_now()
