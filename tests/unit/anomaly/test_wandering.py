import numpy as np
import pytest

from services.anomaly.domain.wandering import autocorrelation_time, score_spacing, wander_allowance


def first_order(rows: int, memory: float, seed: int = 0) -> np.ndarray:
    """Each row keeps `memory` of the one before."""
    noise = np.random.default_rng(seed).normal(size=rows)
    column = np.zeros(rows)
    for i in range(1, rows):
        column[i] = memory * column[i - 1] + noise[i]
    return column[:, None]


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_time_is_that_of_the_textbook_process(memory: float):
    expected = (1.0 + memory) / (1.0 - memory)
    assert autocorrelation_time(first_order(20_000, memory))[0] == pytest.approx(expected, rel=0.15)


def test_time_says_how_uncertain_a_mean_is():
    columns = np.hstack([first_order(500, 0.8, seed) for seed in range(400)])
    variance = columns.mean(axis=0).var()
    assert variance == pytest.approx(columns.var() * autocorrelation_time(columns).mean() / 500, rel=0.2)


def test_noise_is_allowed_nothing_and_a_random_walk_five_times_its_variance():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1000, 50))
    assert wander_allowance(noise).mean() == pytest.approx(1.0, abs=0.1)
    assert wander_allowance(np.cumsum(noise, axis=0)).mean() == pytest.approx(5.0, rel=0.15)


def test_random_walk_departs_on_average_as_far_as_it_is_allowed():
    walks = np.cumsum(np.random.default_rng(0).normal(size=(800, 2000)), axis=0)
    before, after = walks[:400], walks[400:]
    departure = ((after - before.mean(axis=0)) ** 2).mean() / before.var(axis=0).mean()
    assert wander_allowance(before).mean() == pytest.approx(departure, rel=0.15)


@pytest.mark.parametrize("rows", [np.zeros((50, 1)), np.ones((1, 1)), np.empty((0, 1)), np.array([[1.0], [2.0]])])
def test_what_stood_still_or_is_too_short_is_worth_every_row(rows: np.ndarray):
    assert autocorrelation_time(rows).tolist() == [1.0]
    assert np.isfinite(wander_allowance(rows)).all()


def test_scores_of_a_slow_plant_are_worth_fewer_than_their_readings_say():
    # The squares of this process have an autocorrelation of 0.64 to the lag: a time of 1.64 / 0.36 rows.
    assert score_spacing(first_order(20_000, 0.8, 1)[:, 0] ** 2, 1) == pytest.approx(4.6, rel=0.2)


def test_noise_is_not_taken_for_a_slow_plant():
    found = [score_spacing(first_order(300, 0.0, seed)[:, 0] ** 2, 1) for seed in range(50)]
    assert np.mean(np.array(found) == 1.0) > 0.9


def test_scores_that_share_readings_are_not_counted_as_slow_twice():
    scores = np.convolve(first_order(3000, 0.0, 2)[:, 0] ** 2, np.ones(30), "valid")
    assert score_spacing(scores, 30) == 30.0
