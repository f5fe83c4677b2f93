"""How long is waited for what is away."""

import pytest

from shared.back_off import FIRST_S, LONGEST_S, BackOff


def full(_least: float, most: float) -> float:
    return most


async def paused_s(back_off: BackOff, taken_s: list[float], times: int) -> list[float]:
    taken_s.clear()
    for _ in range(times):
        await back_off.pause()
    return list(taken_s)


@pytest.fixture
def taken_s() -> list[float]:
    return []


def sleeper(taken_s: list[float]):
    async def sleep(seconds: float) -> None:
        taken_s.append(seconds)

    return sleep


async def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success(taken_s: list[float]):
    back_off = BackOff(first_s=1.0, longest_s=5.0, sleep=sleeper(taken_s), spread=full)
    assert await paused_s(back_off, taken_s, 5) == [1.0, 2.0, 4.0, 5.0, 5.0]
    back_off.reset()
    assert await paused_s(back_off, taken_s, 2) == [1.0, 2.0]


async def test_a_pause_takes_from_half_of_its_length_to_all_of_it(taken_s: list[float]):
    asked = []

    def spread(least: float, most: float) -> float:
        asked.append((least, most))
        return least

    back_off = BackOff(first_s=1.0, longest_s=5.0, sleep=sleeper(taken_s), spread=spread)
    # What was spared of a pause does not shorten the next one.
    assert await paused_s(back_off, taken_s, 3) == [0.5, 1.0, 2.0]
    assert asked == [(0.5, 1.0)] * 3


async def test_those_who_fail_together_do_not_come_back_together(taken_s: list[float]):
    many = [BackOff(sleep=sleeper(taken_s)) for _ in range(50)]
    for back_off in many:
        await back_off.pause()
    assert len(set(taken_s)) > 40
    assert all(FIRST_S / 2 <= pause_s <= FIRST_S < LONGEST_S for pause_s in taken_s)
