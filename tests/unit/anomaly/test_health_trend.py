"""Trends that spikes and neighbours' likeness cannot fake."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.health_trend import fit_line


def neighbours(rng: np.random.Generator, points: int, likeness: float) -> np.ndarray:
    """Values each of which resembles the one before."""
    values = np.empty(points)
    values[0] = rng.normal()
    for i in range(1, points):
        values[i] = likeness * values[i - 1] + np.sqrt(1.0 - likeness**2) * rng.normal()
    return values


@given(slope=st.floats(0.001, 5), offset=st.floats(-100, 100))
def test_straight_values_give_their_slope_and_lie_in_the_interval(slope: float, offset: float):
    times = np.arange(20.0)
    line = fit_line(times, offset + slope * times, confidence=0.9)
    assert line is not None
    assert line.slope == pytest.approx(slope, abs=1e-9)
    assert line.lower <= line.slope <= line.upper


def test_one_spike_does_not_turn_the_trend():
    times = np.arange(30.0)
    values = 0.01 * times
    values[25] = 100.0
    line = fit_line(times, values, confidence=0.9)
    assert line is not None
    assert line.slope == pytest.approx(0.01, rel=1e-6)


@pytest.mark.parametrize("points", [0, 1, 7])
def test_few_values_have_no_trend(points: int):
    assert fit_line(np.arange(float(points)), np.zeros(points), confidence=0.9) is None


@pytest.mark.parametrize(("likeness", "most"), [(0.0, 0.15), (0.6, 0.2)])
def test_values_without_a_trend_seldom_seem_to_have_one(likeness: float, most: float):
    rng = np.random.default_rng(5)
    times = np.arange(60.0)
    lines = [fit_line(times, neighbours(rng, 60, likeness), confidence=0.9) for _ in range(200)]
    wrong = [line for line in lines if line is not None and (line.lower > 0 or line.upper < 0)]
    assert len(wrong) <= most * len(lines)


def test_likeness_of_neighbours_widens_the_interval():
    rng = np.random.default_rng(7)
    times = np.arange(60.0)
    widths = []
    for likeness in (0.0, 0.8):
        lines = [fit_line(times, neighbours(rng, 60, likeness), confidence=0.9) for _ in range(40)]
        widths.append(float(np.median([line.upper - line.lower for line in lines if line is not None])))
    assert widths[1] > 1.5 * widths[0]
