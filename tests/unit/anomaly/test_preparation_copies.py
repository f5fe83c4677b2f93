import numpy as np
import pytest

from services.anomaly.domain.preparation_copies import find_copies, rescaled, set_apart, share
from services.anomaly.domain.scaling import fit_scaling

BASE = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 5.0, 0.01] + [0.0, 1e6, 4.0]


def with_column(column: np.ndarray) -> np.ndarray:
    return np.column_stack((BASE, column))


@pytest.mark.parametrize(
    "column",
    [
        BASE[:, 1],
        1.8 * BASE[:, 1] + 32.0,
        -BASE[:, 1],
        BASE[:, 1].astype(np.float32).astype(np.float64),
        np.round(BASE[:, 1], 1),
    ],
    ids=["equal", "other unit", "other sign", "single precision", "rounded"],
)
def test_linear_copy_of_a_sensor_is_found(column: np.ndarray):
    assert [(copy.original, copy.copy) for copy in find_copies(with_column(column))] == [(1, 3)]


@pytest.mark.parametrize(
    "column",
    [
        BASE[:, 1] + np.random.default_rng(1).normal(size=500) * 0.2,
        np.full(500, 7.0),
        (BASE[:, 1] - 1e6) ** 3,
        np.roll(BASE[:, 1], 1),
    ],
    ids=["noise of its own", "constant", "not linear", "late"],
)
def test_what_only_resembles_a_sensor_is_no_copy(column: np.ndarray):
    assert find_copies(with_column(column)) == ()


def test_two_sensors_that_stand_still_are_no_copies():
    assert find_copies(np.ones((50, 2))) == ()


def test_every_copy_has_an_original_that_is_none():
    rows = np.column_stack((BASE[:, 0], 2.0 * BASE[:, 0], 3.0 * BASE[:, 0], BASE[:, 1], BASE[:, 1]))
    assert [(copy.original, copy.copy) for copy in find_copies(rows)] == [(0, 1), (0, 2), (3, 4)]


def test_copy_becomes_its_disagreement_in_units_of_two_percent_of_its_spread():
    rows = with_column(2.0 * BASE[:, 0])
    copies = find_copies(rows)
    apart = set_apart(rows, copies)
    np.testing.assert_allclose(apart[:, 3], 0.0, atol=1e-9)
    np.testing.assert_array_equal(apart[:, :3], rows[:, :3])
    scaling = rescaled(fit_scaling(apart), copies)
    assert scaling.constant == ()
    assert scaling.scale[3] == pytest.approx(0.02 * 2.0 * BASE[:, 0].std())


def test_what_is_said_of_one_copy_is_said_of_all_and_the_sum_stays():
    copies = find_copies(with_column(BASE[:, 1]))
    parts = np.array([[1.0, 2.0, 3.0, 6.0]])
    assert share(parts, copies).tolist() == [[1.0, 4.0, 3.0, 4.0]]
