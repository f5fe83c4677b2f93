import numpy as np
import pytest

from services.anomaly.domain.preparation_gaps import Cadence
from services.anomaly.domain.preparation_season import PERIODS_US, find_season

STEP_US = 600_000_000
CADENCE = Cadence(STEP_US, 7 * STEP_US)


def clock(days: float, step_us: int = STEP_US) -> np.ndarray:
    return np.arange(int(days * PERIODS_US["day"] / step_us)) * step_us + 1_700_000_000_000_000


def noise(times: np.ndarray, sensors: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(times), sensors))


def wave(times: np.ndarray, period: str) -> np.ndarray:
    return 3.0 * np.sin(2.0 * np.pi * times / PERIODS_US[period])


@pytest.mark.parametrize(("period", "days"), [("hour", 0.5), ("shift", 3.0), ("day", 5.0), ("week", 28.0)])
def test_pattern_of_the_clock_is_found_and_foretells_later_rows(period: str, days: float):
    step_us = PERIODS_US["hour"] // 12 if period == "hour" else STEP_US
    times = clock(2 * days, step_us)
    rows = noise(times)
    rows[:, 1] += wave(times, period)
    half = len(times) // 2
    season = find_season(rows[:half], times[:half], Cadence(step_us, 7 * step_us))
    assert season is not None
    assert season.name == period
    assert season.gains[0] == 0.0
    left = rows[half:] - season.at(times[half:])
    np.testing.assert_array_equal(left[:, 0], rows[half:, 0])
    assert left[:, 1].var() < 1.3


@pytest.mark.parametrize("seed", range(5))
def test_no_pattern_is_seen_in_noise_or_in_a_walk(seed: int):
    times = clock(10)
    assert find_season(noise(times, seed=seed), times, CADENCE) is None
    assert find_season(noise(times, seed=seed).cumsum(axis=0), times, CADENCE) is None


def test_pattern_that_only_the_earlier_rows_had_is_not_believed():
    times = clock(10)
    rows = noise(times)
    rows[: len(times) // 2] += wave(times[: len(times) // 2], "day")[:, None]
    rows[len(times) // 2 :] -= wave(times[len(times) // 2 :], "day")[:, None]
    assert find_season(rows, times, CADENCE) is None


def test_fewer_than_three_cycles_prove_nothing():
    times = clock(2.9)
    assert find_season(wave(times, "day")[:, None], times, CADENCE) is None


def test_a_trend_does_not_become_part_of_the_pattern():
    times = clock(5)
    rows = (wave(times, "day") + 40.0 * np.arange(len(times)) / len(times))[:, None]
    season = find_season(rows, times, CADENCE)
    assert season is not None
    assert np.abs(season.at(times)[:, 0] - wave(times, "day")).max() < 0.2


def test_hours_without_rows_lie_on_the_line_between_their_neighbours():
    times = clock(8)
    hour = times % PERIODS_US["day"] // PERIODS_US["hour"]
    awake = (hour >= 6) & (hour < 22)
    season = find_season(wave(times[awake], "day")[:, None], times[awake], CADENCE)
    assert season is not None
    night = season.profile[[22, 23, 0, 1, 2, 3, 4, 5], 0]
    np.testing.assert_allclose(np.diff(night, 2), 0.0, atol=1e-9)


def test_slow_sensors_without_a_pattern_are_rarely_given_one():
    times = clock(4)
    walks = [noise(times, 1, seed).cumsum(axis=0) for seed in range(100)]
    assert sum(find_season(walk, times, CADENCE) is not None for walk in walks) <= 3
