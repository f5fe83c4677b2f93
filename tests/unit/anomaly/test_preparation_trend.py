import numpy as np
import pytest

from services.anomaly.domain.preparation_trend import find_trends

TIMES = np.arange(600) * 60_000_000 + 1_700_000_000_000_000


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(TIMES), 2))


def test_lasting_rise_is_told_with_its_size():
    times = TIMES
    rows = 0.1 * noise()
    rows[:, 1] += 2.0 * np.arange(len(times)) / len(times)
    (trend,) = find_trends(rows, times, len(times) // 2)
    assert trend.sensor == 1
    assert trend.change == pytest.approx(1.0, abs=0.1)
    assert trend.gain > 0.9


def test_rise_that_later_rows_do_not_confirm_is_no_trend():
    times = TIMES
    half = len(times) // 2
    rows = 0.1 * noise()
    rows[:half] += 2.0 * np.arange(half)[:, None] / half
    assert find_trends(rows[:half], times[:half], half // 2) != ()
    rows[half:] += 0.5
    assert find_trends(rows, times, half) == ()


@pytest.mark.parametrize("fitted_rows", [0, 1, 600])
def test_where_nothing_can_be_confirmed_there_is_no_trend(fitted_rows: int):
    assert find_trends(noise().cumsum(axis=0), TIMES, fitted_rows) == ()


def test_sensors_that_stand_still_have_no_trend():
    assert find_trends(np.full((600, 2), 0.1), TIMES, 300) == ()
