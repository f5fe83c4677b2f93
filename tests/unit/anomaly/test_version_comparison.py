"""A candidate beside the version that serves."""

from dataclasses import replace

import numpy as np
import pytest

from services.anomaly.domain.trained import Column
from services.anomaly.domain.version_comparison import Judgement, clearly_worse, shifts, stopped_sensors

SERVING = Judgement(limit=1.0, rows=1000, alarm_rows=10, alarms=3, median_severity=0.1, spacing_rows=10)


@pytest.mark.parametrize(
    ("alarm_rows", "spacing_rows", "worse"),
    [(0, 10, False), (10, 10, False), (60, 10, False), (300, 10, True), (300, 500, False), (1000, 10, True)],
)
def test_candidate_is_clearly_worse_where_chance_does_not_explain_its_alarms(
    alarm_rows: int, spacing_rows: int, worse: bool
):
    candidate = replace(SERVING, alarm_rows=alarm_rows, spacing_rows=spacing_rows)
    assert clearly_worse(candidate, replace(SERVING, spacing_rows=spacing_rows)) == worse


def test_candidate_without_a_scored_row_is_not_called_worse():
    assert not clearly_worse(replace(SERVING, rows=0, alarm_rows=0), SERVING)


def test_sensors_that_moved_furthest_come_first_and_missing_readings_do_not_count():
    columns = [Column(name, None, 0.0, 1.0, 0.0, 1.0, constant=name == "still") for name in ("a", "b", "still")]
    rows = np.array([[1.0, -3.0, 9.0], [np.nan, -3.0, 9.0]])
    assert shifts(rows, columns) == {"b": -3.0, "a": 1.0}


def test_sensor_that_moved_before_and_stands_still_now_is_named():
    def columns(*still: str) -> list[Column]:
        return [Column(name, None, 0.0, 1.0, 0.0, 1.0, constant=name in still) for name in ("a", "b", "c")]

    assert stopped_sensors(columns("a"), columns("a", "c")) == ["c"]
    assert stopped_sensors(columns("a", "c"), columns("c")) == []
