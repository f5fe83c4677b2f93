import numpy as np
import pytest

from services.anomaly.domain.scaling import ScalingModel, fit_scaling


@pytest.mark.parametrize(
    ("value", "scale"),
    [(0.0, 1.0), (200.0, 2.0), (-200.0, 2.0), (0.1, 0.001)],
    ids=["zero", "positive", "negative", "rounding"],
)
def test_sensor_that_never_moved_is_measured_by_one_percent_of_its_value(value: float, scale: float):
    scaling = fit_scaling(np.full((1000, 1), value))
    assert scaling.scale[0] == pytest.approx(scale)
    assert scaling.constant == (0,)


def test_scaled_rows_have_mean_zero_and_spread_one():
    rows = np.random.default_rng(1).normal([5.0, 1e6], [0.1, 3.0], size=(500, 2))
    scaled = fit_scaling(rows).apply(rows)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-9)


def test_scaling_model_leaves_the_newest_row_in_standard_deviations():
    model = ScalingModel(fit_scaling(np.array([[0.0], [2.0]])))
    assert model.residuals(np.array([[[3.0]]])).tolist() == [[2.0]]


def test_largest_reading_of_a_sensor_with_the_least_readings_still_has_a_square():
    tiny = np.random.default_rng(1).normal(scale=1e-130, size=(100, 1))
    assert np.isfinite(fit_scaling(tiny).apply(np.array([[1e30]])) ** 2).all()
