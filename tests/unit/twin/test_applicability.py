"""Applicability: inside, at the edge, outside, and which features are to blame."""

import numpy as np
import pytest

from services.twin.domain.applicability import Applicability, ApplicabilityCheck, State, learn_region

RNG = np.random.default_rng(0)
HEAT = RNG.uniform(0.0, 100.0, 5_000)
# Pressure follows heat closely; flow goes its own way; the valve never moved.
ROWS = np.stack([HEAT, 2.0 * HEAT + RNG.normal(0.0, 1.0, 5_000), RNG.uniform(0, 1, 5_000), np.full(5_000, 7.0)], axis=1)
CHECK = ApplicabilityCheck(["heat", "pressure", "flow", "valve"], learn_region(ROWS))


def place(*values: float) -> Applicability:
    return CHECK.place(list(values), np.array(values))


def test_a_row_like_those_of_training_is_in():
    assert place(50.0, 100.0, 0.5, 7.0) == Applicability(State.IN)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((50.0, 100.0, 1.05, 7.0), Applicability(State.EDGE, ("flow",))),
        ((50.0, 100.0, 1.5, 7.0), Applicability(State.OUT, ("flow",))),
        ((50.0, 100.0, -0.5, 7.1), Applicability(State.OUT, ("flow", "valve"))),
        ((50.0, 100.0, 0.5, 7.000001), Applicability(State.OUT, ("valve",))),
    ],
)
def test_a_value_beyond_training_is_named(row: tuple[float, ...], expected: Applicability):
    assert place(*row) == expected


def test_a_combination_that_training_never_saw_is_out_although_each_value_is_inside():
    found = place(90.0, 20.0, 0.5, 7.0)
    assert found.state is State.OUT
    assert set(found.features) == {"heat", "pressure"}


def test_a_combination_a_little_off_is_the_edge():
    assert place(50.0, 104.5, 0.5, 7.0).state is State.EDGE


def test_nearly_all_training_rows_are_in_and_none_is_out():
    states = [place.state for place in CHECK.place_all(ROWS)]
    assert states.count(State.IN) >= 0.998 * len(ROWS)
    assert State.OUT not in states


def test_one_row_and_many_rows_are_placed_alike():
    rows = np.array([[50.0, 100.0, 0.5, 7.0], [90.0, 20.0, 0.5, 7.0], [50.0, 100.0, 1.05, 7.0]])
    assert CHECK.place_all(rows) == [place(*row) for row in rows]


def test_rows_that_are_all_alike_make_a_region_of_one_point():
    check = ApplicabilityCheck(["a"], learn_region(np.full((20, 1), 3.3)))
    assert check.place([3.3], np.array([3.3])).state is State.IN
    assert check.place([3.4], np.array([3.4])).state is State.OUT


def test_with_very_many_features_ranges_alone_decide():
    rows = np.random.default_rng(4).normal(size=(400, 300))
    region = learn_region(rows)
    assert region.whitener.shape == (300, 0)
    check = ApplicabilityCheck([f"f{i}" for i in range(300)], region)
    assert check.place(rows[0].tolist(), rows[0]).state is State.IN
