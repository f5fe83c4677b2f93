"""Sensors that stand still: when they are named, and when they are not."""

import numpy as np
import pytest

from services.twin.domain.applicability import learn_region
from services.twin.domain.stuck import StuckSensors

NAMES = ("a", "b")


def feed(sensors: StuckSensors, count: int, *, asset: str | None = "r101", runs: tuple[int, int] = (1, 1)) -> list[str]:
    """Readings in which `a` stands still and `b` moves; the features named stuck by the last one."""
    stuck = ()
    for number in range(count):
        stuck = sensors.follow("yield", asset, NAMES, (5.0, float(number)), runs)
    return [feature.feature for feature in stuck]


@pytest.mark.parametrize(("readings", "named"), [(9, []), (10, ["a"]), (50, ["a"])])
def test_a_value_that_repeats_for_long_enough_is_stuck(readings: int, named: list[str]):
    assert feed(StuckSensors(10), readings) == named


def test_a_value_that_stood_still_in_training_is_given_three_times_as_long():
    assert feed(StuckSensors(10), 29, runs=(10, 1)) == []
    assert feed(StuckSensors(10), 30, runs=(10, 1)) == ["a"]


def test_a_feature_that_took_few_values_in_training_is_never_stuck():
    assert feed(StuckSensors(10), 500, runs=(0, 1)) == []


def test_questions_without_an_asset_are_not_followed():
    assert feed(StuckSensors(10), 500, asset=None) == []


def test_the_check_can_be_turned_off():
    assert feed(StuckSensors(0), 500) == []


def test_any_other_value_begins_anew_and_one_that_is_bad_too():
    for value in (5.1, float("nan")):
        sensors = StuckSensors(10)
        feed(sensors, 50)
        assert sensors.follow("yield", "r101", NAMES, (value, 1.0), (1, 1)) == ()
        assert feed(sensors, 9) == []


def test_assets_are_followed_apart():
    sensors = StuckSensors(10)
    feed(sensors, 9)
    assert feed(sensors, 9, asset="r102") == []
    assert feed(sensors, 1) == ["a"]


def test_memory_is_bounded():
    sensors = StuckSensors(10)
    wide = tuple(float(i) for i in range(1_000))
    for asset in range(600):
        sensors.follow("yield", str(asset), tuple(map(str, wide)), wide, (1,) * 1_000)
    assert sum(len(followed.values) for followed in sensors._followed.values()) == 500_000


def test_training_tells_how_long_a_value_may_stand_still():
    switch = np.repeat([0.0, 1.0], 50)
    slow = np.repeat(np.arange(25.0), 4)
    fast = np.arange(100.0)
    still = np.full(100, 3.0)
    assert learn_region(np.stack([switch, slow, fast, still], axis=1)).longest_run.tolist() == [0, 4, 1, 0]
