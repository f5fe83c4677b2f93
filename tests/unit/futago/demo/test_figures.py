"""The figures the demonstration is judged by."""

import numpy as np
import pytest

from futago.demo.figures import AlarmFigures, IntervalFigures


def test_interval_figures_are_those_of_the_definition():
    figures = IntervalFigures.of(
        actual=np.array([1.0, 2.0, 3.0, 4.0]),
        predicted=np.array([1.0, 2.0, 3.0, 6.0]),
        lower=np.array([0.0, 2.0, 2.0, 5.0]),
        upper=np.array([2.0, 4.0, 3.0, 8.0]),
    )
    assert figures == IntervalFigures(rmse=1.0, coverage=0.75, width=2.0)


@pytest.mark.parametrize(
    ("alarmed", "expected"),
    [
        ([0, 0, 1, 1], AlarmFigures(f1=1.0, far=0.0, mar=0.0)),
        ([1, 1, 1, 1], AlarmFigures(f1=2 / 3, far=1.0, mar=0.0)),
        ([0, 0, 0, 0], AlarmFigures(f1=0.0, far=0.0, mar=1.0)),
        ([1, 0, 1, 0], AlarmFigures(f1=0.5, far=0.5, mar=0.5)),
    ],
    ids=["perfect", "always", "never", "half"],
)
def test_alarm_figures_count_row_by_row(alarmed: list[int], expected: AlarmFigures):
    actual = np.array([0, 0, 1, 1], dtype=np.int8)
    figures = AlarmFigures.of(actual, np.array(alarmed, dtype=np.int8))
    assert (figures.f1, figures.far, figures.mar) == pytest.approx((expected.f1, expected.far, expected.mar))


def test_without_a_single_anomaly_nothing_was_missed():
    nothing = np.zeros(3, dtype=np.int8)
    assert AlarmFigures.of(nothing, nothing) == AlarmFigures(f1=0.0, far=0.0, mar=0.0)
