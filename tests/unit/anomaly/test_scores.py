from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scores import Head, Scale, error_head, score
from services.anomaly.domain.smoothing import Smoothing
from services.anomaly.domain.statistical import mahalanobis_head, pca_head
from services.anomaly.domain.wandering import wander_allowance


def normal_residuals(n: int = 500, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    return common * [1.0, 0.8, 0.0] + rng.normal(size=(n, 3)) * [0.5, 0.5, 1.0]


def mahalanobis(residuals: np.ndarray, *smoothing_rows: int, floor: float = 1e-9) -> Head:
    return mahalanobis_head(Runs.unbroken(residuals), smoothing=Smoothing(smoothing_rows), eigenvalue_floor=floor)


def pca(residuals: np.ndarray, *smoothing_rows: int, variance: float = 0.9) -> Head:
    return pca_head(Runs.unbroken(residuals), smoothing=Smoothing(smoothing_rows), variance=variance)


def test_error_head_is_the_mean_squared_residual():
    residuals = normal_residuals(20)
    np.testing.assert_allclose(score(error_head(3).contributions(residuals)), (residuals**2).mean(axis=1))


def test_mahalanobis_head_gives_the_textbook_distance_per_sensor_of_the_smoothed_residual():
    residuals = normal_residuals()
    smooth = np.array([residuals[i : i + 5].mean(axis=0) for i in range(len(residuals) - 4)])
    inverse = np.linalg.inv(np.cov(smooth.T, bias=True))
    apart = (smooth - smooth.mean(axis=0)) / np.sqrt(wander_allowance(residuals))
    np.testing.assert_allclose(
        score(mahalanobis(residuals, 5).contributions(residuals)),
        np.einsum("ni,ij,nj->n", apart, inverse, apart) / 3,
        rtol=1e-8,
    )


def test_rows_that_a_head_was_fitted_on_score_about_one():
    residuals = normal_residuals(5000)
    assert score(mahalanobis(residuals, 1).contributions(residuals)).mean() == pytest.approx(1.0, abs=0.02)
    assert score(mahalanobis(residuals, 1, 3, 9).contributions(residuals)).mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("head_of", [mahalanobis, pca])
def test_several_means_score_the_mean_of_what_each_scores(head_of: Callable[..., Head]):
    residuals = normal_residuals()
    both = head_of(residuals, 2, 7).contributions(residuals)
    short, long = (head_of(residuals, rows).contributions(residuals) for rows in (2, 7))
    np.testing.assert_allclose(both, (short[5:] + long) / 2.0, rtol=1e-12)


def test_short_mean_sees_a_jump_at_once_and_a_long_one_sees_a_small_shift():
    residuals = normal_residuals(2000)
    head = mahalanobis(residuals, 1, 27)
    calm = score(head.contributions(residuals))
    jump, shift = residuals.copy(), residuals.copy()
    jump[1000, 2] += 12.0
    shift[1000:, 2] += 1.5
    assert score(head.contributions(jump))[1000 - 26] > calm.max()
    assert score(head.contributions(shift))[1000 - 26 + 40 :].min() > np.median(calm) * 2


def test_pca_head_that_keeps_every_component_is_the_mahalanobis_distance():
    residuals = normal_residuals()
    np.testing.assert_allclose(
        score(pca(residuals, 3, variance=0.999999).contributions(residuals)),
        score(mahalanobis(residuals, 3).contributions(residuals)),
        rtol=1e-8,
    )


def test_pca_head_sees_a_row_that_leaves_the_principal_plane():
    rng = np.random.default_rng(3)
    residuals = np.repeat(rng.normal(size=(500, 1)), 3, axis=1) + rng.normal(size=(500, 3)) * 0.05
    head = pca(residuals, 1)
    along, across = score(head.contributions(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]])))
    assert across > 100 * along


@pytest.mark.parametrize("head_of", [mahalanobis, pca])
def test_sensor_that_left_its_place_has_the_largest_part(head_of: Callable[..., Head]):
    head = head_of(normal_residuals(), 1)
    for sensor in range(3):
        shifted = np.zeros((1, 3))
        shifted[0, sensor] = 6.0
        assert int(np.argmax(head.contributions(shifted))) == sensor


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_contributions_are_not_negative_and_sum_to_the_score(seed: int, size: float):
    head = mahalanobis(normal_residuals(), 1, 4)
    parts = head.contributions(np.random.default_rng(seed).normal(size=(9, 3)) * size)
    assert (parts >= 0).all()
    assert score(parts).tolist() == parts.sum(axis=1).tolist()


def test_eigenvalue_floor_keeps_a_direction_without_movement_from_ruling_the_score():
    twin = np.random.default_rng(0).normal(size=(500, 1))
    head = mahalanobis(np.hstack([twin, twin]), 1, floor=0.1)
    assert score(head.contributions(np.array([[0.1, -0.1]])))[0] < 1.0


def test_sensors_that_stood_still_do_not_make_the_score_infinite():
    head = mahalanobis(np.zeros((100, 2)), 10, floor=0.1)
    assert np.isfinite(score(head.contributions(np.ones((10, 2))))).all()


@pytest.mark.parametrize("head_of", [mahalanobis, pca])
def test_least_movement_of_a_sensor_that_stood_still_does_not_rule_the_score(head_of: Callable[..., Head]):
    rows = np.random.default_rng(0).normal(size=(400, 4))
    rows[:, 3] = 0.0
    head = head_of(rows, 1, 3, 9, 27)
    moved = rows.copy()
    moved[:, 3] = 0.01
    assert score(head.contributions(moved))[-1] == pytest.approx(score(head.contributions(rows))[-1], abs=0.1)


def test_sensor_that_wanders_counts_for_less_than_one_that_stays():
    rng = np.random.default_rng(0)
    residuals = np.column_stack([np.cumsum(rng.normal(size=400)), rng.normal(size=400)])
    residuals = (residuals - residuals.mean(axis=0)) / residuals.std(axis=0)
    head = mahalanobis(residuals, 1)
    wandered, left = score(head.contributions(np.array([[4.0, 0.0], [0.0, 4.0]])))
    assert left > 2.0 * wandered


def test_swing_that_averages_out_is_seen_where_single_rows_are_averaged():
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=(1000, 2))
    swinging = residuals + 1.5 * np.sin(np.arange(1000) * np.pi / 2)[:, None] * [1.0, 0.0]
    plain = mahalanobis(residuals, 8)
    spread = mahalanobis_head(Runs.unbroken(residuals), smoothing=Smoothing((8,), spread_rows=40), eigenvalue_floor=0.1)

    def ratio(head: Head) -> float:
        calm, loud = score(head.contributions(residuals)), score(head.contributions(swinging))
        return float(loud.mean() / calm.mean())

    assert ratio(plain) < 1.05
    assert ratio(spread) > 1.2


def test_highest_score_is_held_with_the_parts_that_made_it():
    head = Head((Scale(1, np.zeros(2), np.eye(2)),), hold_rows=3)
    residuals = np.zeros((8, 2))
    residuals[3] = [1.0, 2.0]
    parts = head.contributions(residuals)
    assert head.smoothing_rows == 3
    assert parts.tolist() == [[0.0, 0.0], *[[1.0, 4.0]] * 3, [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("rows", range(6))
def test_head_scores_rows_as_soon_as_it_has_seen_enough(rows: int):
    head = Head((Scale(2, np.zeros(1), np.eye(1), 2), Scale(1, np.zeros(1), np.eye(1))), hold_rows=2)
    assert head.smoothing_rows == 4
    assert len(head.contributions(np.ones((rows, 1)))) == max(rows - 3, 0)


def test_chance_correlation_of_few_means_gives_way_to_that_of_the_single_rows():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(200, 40))
    later = rng.normal(size=(4000, 40))
    calm = score(mahalanobis(few, 20).contributions(later))
    assert np.median(calm) < 3.0


@pytest.mark.parametrize(
    ("training_rows", "smoothing"),
    [
        (10, Smoothing((1,))),
        (41, Smoothing((1,))),
        (42, Smoothing((1, 3), 3, 1)),
        (400, Smoothing((1, 3, 9, 27), 27, 9)),
        (1133, Smoothing((1, 3, 9, 27), 27, 9)),
        (1134, Smoothing((1, 3, 9, 27, 81), 81, 9)),
        (10**6, Smoothing((1, 3, 9, 27, 81), 81, 9)),
    ],
)
def test_means_are_as_long_as_the_training_rows_can_tell(training_rows: int, smoothing: Smoothing):
    assert Smoothing.suited(training_rows) == smoothing
    assert smoothing.rows == max(smoothing.means) + smoothing.hold_rows - 1
