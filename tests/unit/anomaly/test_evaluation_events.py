import numpy as np
import pytest

from services.anomaly.domain.evaluation_change_points import ChangePoints, Profile
from services.anomaly.domain.evaluation_events import EventCount, runs

MINUTES = 60.0 * np.arange(1440)


def labels(rows: int, *stretches: tuple[int, int]) -> np.ndarray:
    made = np.zeros(rows, np.int8)
    for start, stop in stretches:
        made[start:stop] = 1
    return made


@pytest.mark.parametrize(
    ("called", "delays", "false_alarms"),
    [
        ([(10, 20)], (0,), 0),
        ([(14, 15)], (4,), 0),
        ([(14, 15), (18, 40)], (4,), 0),
        ([(20, 30)], (), 1),
        ([(5, 20)], (0,), 1),
        ([(0, 2), (4, 6), (12, 13)], (2,), 2),
        ([], (), 0),
    ],
)
def test_faults_are_found_late_or_missed_and_alarms_begin_with_or_without_one(
    called: list[tuple[int, int]], delays: tuple[int, ...], false_alarms: int
):
    count = EventCount.of(labels(60, (10, 20)), labels(60, *called), times_s=None)
    assert (count.events, count.delays_rows, count.false_alarms) == (1, delays, false_alarms)


def test_false_alarms_are_told_by_day_of_normal_operation():
    truth = labels(1440, (0, 720))
    count = EventCount.of(truth, labels(1440, (800, 801), (900, 950), (1000, 1002)), MINUTES)
    assert count.normal_s == 720 * 60.0
    assert count.false_alarms_per_day == pytest.approx(6.0)


def test_a_pause_between_rows_is_no_normal_operation():
    with_a_pause = np.concatenate((MINUTES[:720], MINUTES[720:] + 86_400.0))
    count = EventCount.of(labels(1440), labels(1440, (3, 4)), with_a_pause)
    assert count.normal_s == 1440 * 60.0


def test_delay_in_seconds_follows_the_clock():
    times_s = np.array([0.0, 1.0, 2.0, 12.0, 13.0])
    count = EventCount.of(labels(5, (1, 5)), labels(5, (3, 5)), times_s)
    assert (count.median_delay_rows, count.median_delay_s) == (2.0, 11.0)


def test_counts_of_several_files_add_up():
    truth = labels(30, (10, 20))
    total = EventCount.of(truth, labels(30, (12, 13)), None) + EventCount.of(truth, labels(30, (0, 1)), None)
    assert (total.events, total.found, total.recall, total.false_alarms) == (2, 1, 0.5, 1)
    assert np.isnan(total.false_alarms_per_day)


def test_files_without_times_leave_the_sum_without_them():
    timed = EventCount.of(labels(1440), labels(1440, (3, 4)), MINUTES)
    assert (timed + timed).normal_s == 2 * 1440 * 60.0
    assert (timed + EventCount.of(labels(9), labels(9), None)).normal_s is None


def test_runs_at_both_ends_are_found():
    assert runs(np.array([1, 1, 0, 0, 1], np.int8)) == [(0, 2), (4, 5)]
    assert runs(np.zeros(0, np.int8)) == []


SECONDS = np.arange(1000.0)


def told(changes: list[int], alarms: list[tuple[int, int]], times_s: np.ndarray = SECONDS) -> ChangePoints:
    return ChangePoints.of(labels(1000, *((row, row + 1) for row in changes)), labels(1000, *alarms), times_s)


def test_telling_every_change_at_once_is_a_hundred_and_telling_nothing_is_zero():
    perfect, silent = told([100, 300], [(100, 300)]), told([100, 300], [])
    for profile in Profile:
        assert perfect.score(profile) == pytest.approx(100.0)
        assert silent.score(profile) == 0.0


def test_credit_falls_over_the_window_and_ends_below_nothing():
    scores = [told([100], [(100 + late, 1000)]).score(Profile.STANDARD) for late in (0, 15, 30, 45, 60)]
    assert scores == sorted(scores, reverse=True)
    assert told([100], [(160, 1000)]).hits == (1.0,)
    # At the end of its window a hit is worth a false alarm: (-0.11 + 1) / 2.
    assert scores[-1] == pytest.approx(44.5)
    # In the middle it is worth the mean of both: ((1 - 0.11) / 2 + 1) / 2.
    assert scores[2] == pytest.approx(72.25, abs=0.1)


def test_an_edge_beyond_the_window_is_a_miss_and_a_false_alarm():
    late = told([100], [(161, 1000)])
    assert (late.hits, late.missed, late.false_alarms) == ((), 1, 1)
    assert late.score(Profile.STANDARD) == pytest.approx(-5.5)
    assert late.score(Profile.LOW_FALSE_ALARMS) == pytest.approx(-11.0)
    assert late.score(Profile.LOW_MISSES) == pytest.approx(100 * -0.11 / 3)


def test_more_edges_in_one_window_count_for_nothing():
    assert told([100], [(110, 120), (130, 400)]) == told([100], [(110, 400)])


def test_of_two_windows_that_overlap_the_later_begins_where_the_earlier_ends():
    both = told([100, 140], [(150, 400)])
    assert both.hits == (50 / 60,)
    assert both.missed == 1
    assert told([100, 140], [(165, 1000)]).hits == ((165 - 160) / 40,)


def test_windows_go_by_the_clock_and_not_by_rows():
    assert told([100], [(101, 1000)], times_s=100.0 * SECONDS).missed == 1


def test_without_change_points_there_is_no_score():
    assert np.isnan(told([], [(5, 6)]).score(Profile.STANDARD))


def test_change_points_of_several_files_add_up():
    assert told([100], [(110, 1000)]) + told([100], []) == ChangePoints((10 / 60,), 1, 0)
