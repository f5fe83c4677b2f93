from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.scores import Head, error_head, score
from services.anomaly.domain.statistical import mahalanobis_head, pca_head


def normal_residuals(n: int = 500, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    return common * [1.0, 0.8, 0.0] + rng.normal(size=(n, 3)) * [0.5, 0.5, 1.0]


def test_error_head_is_the_mean_squared_residual():
    residuals = normal_residuals(20)
    np.testing.assert_allclose(score(error_head(3).contributions(residuals)), (residuals**2).mean(axis=1))


def test_mahalanobis_head_gives_the_textbook_distance_of_the_smoothed_residual():
    residuals = normal_residuals()
    head = mahalanobis_head(residuals, smoothing_rows=5, eigenvalue_floor=1e-9)
    smooth = np.array([residuals[i : i + 5].mean(axis=0) for i in range(len(residuals) - 4)])
    inverse = np.linalg.inv(np.cov(smooth.T, bias=True))
    apart = smooth - smooth.mean(axis=0)
    np.testing.assert_allclose(
        score(head.contributions(residuals)), np.einsum("ni,ij,nj->n", apart, inverse, apart), rtol=1e-8
    )


def test_mean_squared_distance_of_the_rows_it_was_fitted_on_is_the_number_of_sensors():
    residuals = normal_residuals()
    head = mahalanobis_head(residuals, smoothing_rows=1, eigenvalue_floor=1e-9)
    assert score(head.contributions(residuals)).mean() == pytest.approx(3.0)


def test_pca_head_that_keeps_every_component_is_the_mahalanobis_distance():
    residuals = normal_residuals()
    np.testing.assert_allclose(
        score(pca_head(residuals, smoothing_rows=3, variance=0.999999).contributions(residuals)),
        score(mahalanobis_head(residuals, smoothing_rows=3, eigenvalue_floor=1e-9).contributions(residuals)),
        rtol=1e-8,
    )


def test_pca_head_sees_a_row_that_leaves_the_principal_plane():
    rng = np.random.default_rng(3)
    residuals = np.repeat(rng.normal(size=(500, 1)), 3, axis=1) + rng.normal(size=(500, 3)) * 0.05
    head = pca_head(residuals, smoothing_rows=1, variance=0.9)
    along, across = score(head.contributions(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]])))
    assert across > 100 * along


@pytest.mark.parametrize("head_of", [mahalanobis_head, pca_head])
def test_sensor_that_left_its_place_has_the_largest_part(head_of: Callable[..., Head]):
    residuals = normal_residuals()
    settings = {"variance": 0.9} if head_of is pca_head else {"eigenvalue_floor": 0.1}
    head = head_of(residuals, smoothing_rows=1, **settings)
    for sensor in range(3):
        shifted = np.zeros((1, 3))
        shifted[0, sensor] = 6.0
        assert int(np.argmax(head.contributions(shifted))) == sensor


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_contributions_are_not_negative_and_sum_to_the_score(seed: int, size: float):
    head = mahalanobis_head(normal_residuals(), smoothing_rows=4, eigenvalue_floor=0.1)
    parts = head.contributions(np.random.default_rng(seed).normal(size=(9, 3)) * size)
    assert (parts >= 0).all()
    assert score(parts).tolist() == parts.sum(axis=1).tolist()


def test_eigenvalue_floor_keeps_a_direction_without_movement_from_ruling_the_score():
    twin = np.random.default_rng(0).normal(size=(500, 1))
    residuals = np.hstack([twin, twin])
    head = mahalanobis_head(residuals, smoothing_rows=1, eigenvalue_floor=0.1)
    assert score(head.contributions(np.array([[0.1, -0.1]])))[0] < 1.0


def test_sensors_that_stood_still_do_not_make_the_score_infinite():
    head = mahalanobis_head(np.zeros((100, 2)), smoothing_rows=10, eigenvalue_floor=0.1)
    assert np.isfinite(score(head.contributions(np.ones((10, 2))))).all()


@pytest.mark.parametrize(
    "head_of",
    [
        lambda rows: mahalanobis_head(rows, smoothing_rows=30, eigenvalue_floor=0.1),
        lambda rows: pca_head(rows, smoothing_rows=30, variance=0.9),
    ],
)
def test_least_movement_of_a_sensor_that_stood_still_does_not_rule_the_score(head_of: Callable[..., Head]):
    rows = np.random.default_rng(0).normal(size=(400, 4))
    rows[:, 3] = 0.0
    head = head_of(rows)
    moved = rows.copy()
    moved[:, 3] = 0.01
    assert score(head.contributions(moved))[-1] == pytest.approx(score(head.contributions(rows))[-1], abs=0.1)
