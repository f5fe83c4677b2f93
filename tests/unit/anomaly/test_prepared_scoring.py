"""What missing readings, pauses and machines that are off do to scores, through the library."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anomaly.domain.detection import Detection
from services.anomaly.domain.preparation import TimesMissing
from services.anomaly.domain.preparation_off import OffRuleRefused
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.usability import Reason
from services.anomaly.library import Detector

COLUMNS = ["flow", "pressure", "current"]
SECOND = np.timedelta64(1, "s")
START = np.datetime64("2026-04-01T00:00:00")
HOUR = np.timedelta64(1, "h")


def plant(rows: int, seed: int) -> np.ndarray:
    load = np.sin(np.arange(rows)[:, None] / 9.0 + [0.0, 0.5, 1.0])
    noise = np.random.default_rng(seed).normal(size=(rows, 3))
    return np.array([30.0, 6.0, 4.0]) + (load + 0.3 * noise) * [2.0, 0.3, 0.2]


def seconds(rows: int, after_s: int = 0) -> np.ndarray:
    return START + (np.arange(rows) + after_s) * SECOND


NORMAL = plant(500, 0)
LATER = plant(120, 1)
# Four rows of smoothing, two readings held, the machine off below 1 A and ignored for three rows more.
DETECTOR = Detector(
    "mahalanobis",
    smoothing_rows=4,
    max_gap_rows=2,
    max_missing_share=0.4,
    off={"column": "current", "below": 1.0, "margin_rows": 3},
).fit(NORMAL, timestamps=seconds(500), columns=COLUMNS)
PLAIN = Detector("mahalanobis", smoothing_rows=4).fit(NORMAL, timestamps=seconds(500), columns=COLUMNS)


def test_looks_back_over_warm_up_held_readings_and_the_margin():
    assert DETECTOR.warmup_rows == 3
    assert DETECTOR.lookback_rows == 3 + 2 + 3


@settings(max_examples=150)
@given(st.data())
def test_scores_of_several_calls_with_context_are_those_of_one(data: st.DataObject):
    rows = LATER[:40].copy()
    for row in data.draw(st.lists(st.integers(0, 39), max_size=25)):
        rows[row, data.draw(st.integers(0, 2))] = np.nan
    for row in data.draw(st.lists(st.integers(0, 39), max_size=5)):
        rows[row : row + data.draw(st.integers(1, 4)), 2] = 0.0
    steps = data.draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 30]), min_size=40, max_size=40))
    times = START + np.cumsum(steps) * SECOND
    once = DETECTOR.detect(rows, timestamps=times)
    piece = data.draw(st.integers(1, 12))
    looked_at = data.draw(st.integers(DETECTOR.lookback_rows, 40))
    found = []
    for first in range(0, 40, piece):
        back = max(first - looked_at, 0)
        part = DETECTOR.detect(
            rows[first : first + piece],
            context=rows[back:first],
            timestamps=times[first : first + piece],
            context_timestamps=times[back:first],
        )
        found.append(part)
    np.testing.assert_array_equal(np.concatenate([part.reasons for part in found]), once.reasons)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in found]), once.labels)
    np.testing.assert_allclose(np.concatenate([part.scores for part in found]), once.scores, rtol=1e-12)
    assert (np.isfinite(once.scores) == once.usable).all()


def test_a_few_missing_readings_are_held_and_the_row_is_scored():
    rows = LATER.copy()
    rows[50:52, 0] = np.nan
    held = LATER.copy()
    held[50:52, 0] = LATER[49, 0]
    found = DETECTOR.detect(rows, context=NORMAL)
    assert found.usable.all()
    np.testing.assert_array_equal(found.scores, DETECTOR.detect(held, context=NORMAL).scores)


def test_readings_missing_for_longer_are_no_longer_guessed():
    rows = LATER.copy()
    rows[50:60, 0] = np.nan
    found = DETECTOR.detect(rows, context=NORMAL)
    assert reasons(found) == {Reason.MISSING: [*range(52, 60)], Reason.AFTER_GAP: [60, 61, 62]}
    assert np.isnan(found.scores[52:63]).all()
    assert not found.labels[52:63].any()
    assert np.isnan(found.contributions[52:63]).all()


def test_row_without_most_of_its_sensors_is_not_scored():
    rows = LATER.copy()
    rows[50, :2] = np.nan
    found = DETECTOR.detect(rows, context=NORMAL)
    assert reasons(found) == {Reason.MISSING: [50], Reason.AFTER_GAP: [51, 52, 53]}


def test_no_score_reaches_across_a_pause():
    times = np.concatenate((seconds(50, 500), seconds(70, 600)))
    found = DETECTOR.detect(LATER, context=NORMAL, timestamps=times, context_timestamps=seconds(500))
    assert reasons(found) == {Reason.AFTER_GAP: [50, 51, 52]}
    fresh = DETECTOR.detect(LATER[50:])
    np.testing.assert_array_equal(found.scores[53:], fresh.scores[3:])


def test_pause_between_context_and_rows_is_seen():
    found = DETECTOR.detect(LATER, context=NORMAL, timestamps=seconds(120, 900), context_timestamps=seconds(500))
    assert reasons(found) == {Reason.AFTER_GAP: [0, 1, 2]}


def test_context_without_times_ends_one_step_before_the_rows():
    assert DETECTOR.detect(LATER, context=NORMAL, timestamps=seconds(120, 900)).usable.all()


@pytest.mark.parametrize("context", [None, NORMAL])
def test_no_rows_are_no_scores(context: np.ndarray | None):
    found = DETECTOR.detect(LATER[:0], context=context, timestamps=seconds(0))
    assert (len(found.scores), len(found.reasons)) == (0, 0)


def test_lost_row_and_uneven_steps_are_no_pause():
    steps = np.where(np.arange(120) % 3 == 0, 2.4, 0.6)
    times = START + (np.cumsum(steps) * 1e6).astype("timedelta64[us]")
    plain = DETECTOR.detect(LATER, context=NORMAL)
    np.testing.assert_array_equal(DETECTOR.detect(LATER, context=NORMAL, timestamps=times).scores, plain.scores)


def test_machine_that_is_off_is_not_judged_and_after_a_restart_not_at_once():
    rows = LATER.copy()
    rows[50:60] = 0.0
    found = DETECTOR.detect(rows, context=NORMAL)
    assert reasons(found) == {Reason.MACHINE_OFF: [*range(50, 63)], Reason.AFTER_GAP: [63, 64, 65]}
    assert not found.labels.any()
    assert PLAIN.detect(rows, context=NORMAL).labels[50:60].all()


def test_rows_in_which_nothing_is_amiss_score_as_without_any_preparation():
    found = PLAIN.detect(LATER, context=NORMAL, timestamps=seconds(120, 500))
    np.testing.assert_array_equal(found.scores, PLAIN.detect(LATER, context=NORMAL).scores)
    assert found.usable.all()


def test_infinite_readings_are_still_refused_and_absent_ones_are_not():
    rows = LATER.copy()
    rows[3, 1] = np.inf
    with pytest.raises(RowsRefused):
        DETECTOR.detect(rows)
    rows[3, 1] = np.nan
    DETECTOR.detect(rows)


@pytest.mark.parametrize(
    ("times", "context_times", "pointer"),
    [
        (seconds(119), None, "/timestamps"),
        (seconds(120)[::-1], None, "/timestamps/1"),
        (seconds(120), seconds(500), "/context_timestamps/499"),
        (None, seconds(500), "/context_timestamps"),
        (seconds(120, 500), seconds(3), "/context_timestamps"),
        (np.array(["NaT"] * 120, "datetime64[s]"), None, "/timestamps/0"),
    ],
)
def test_times_that_cannot_be_are_refused(times: np.ndarray | None, context_times: np.ndarray | None, pointer: str):
    with pytest.raises(RowsRefused) as refusal:
        DETECTOR.detect(LATER, context=NORMAL, timestamps=times, context_timestamps=context_times)
    assert refusal.value.faults[0].pointer == pointer


@pytest.mark.parametrize("off", [{"column": "level", "below": 1.0}, {"column": "flow"}])
def test_rule_that_cannot_be_used_is_refused(off: dict[str, str | float]):
    with pytest.raises(OffRuleRefused):
        Detector("mahalanobis", off=off).fit(NORMAL, columns=COLUMNS)


def test_copy_of_a_sensor_alarms_when_it_disagrees_and_not_when_it_is_rounded():
    normal, later = (np.column_stack((rows, 1.8 * rows[:, 1] + 32.0)) for rows in (NORMAL, LATER))
    detector = Detector("mahalanobis", smoothing_rows=4).fit(normal)
    assert detector.card["preparation"]["duplicates"] == [["s2", "s4"]]
    rounded = np.column_stack((later[:, :3], np.round(later[:, 3], 3)))
    found, plain = (detector.detect(rows, context=normal) for rows in (rounded, later))
    assert not found.labels.any()
    np.testing.assert_allclose(found.scores, plain.scores, rtol=0.2, atol=0.05 * detector.threshold.value)
    later[60:, 3] += 0.5 * normal[:, 3].std()
    found = detector.detect(later, context=normal)
    assert found.labels[64:].all()
    np.testing.assert_array_equal(found.contributions[:, 1], found.contributions[:, 3])
    assert (found.contributions[64:, 1] > found.contributions[64:, 0]).all()
    np.testing.assert_array_equal(found.contributions.sum(axis=1), found.scores)


def hourly(days: int, first_day: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    times = START + np.arange(24 * first_day, 24 * (first_day + days)) * HOUR
    of_day = (times - START) / np.timedelta64(1, "D")
    rows = np.random.default_rng(seed).normal(size=(len(times), 2))
    rows[:, 0] += 10.0 * np.sin(2.0 * np.pi * of_day)
    return rows, times


def test_a_warm_afternoon_is_no_fault_and_a_warm_night_is_one(tmp_path: Path):
    rows, times = hourly(40, 0, seed=0)
    detector = Detector("mahalanobis", smoothing_rows=3).fit(rows, timestamps=times)
    assert detector.card["preparation"]["season"]["every"] == "day"
    later, when = hourly(10, 100, seed=1)
    assert not detector.detect(later, timestamps=when).labels.any()
    night = np.flatnonzero((when - START) / HOUR % 24 == 17)
    later[night[3] : night[3] + 4, 0] += 12.0
    found = detector.detect(later, timestamps=when)
    assert found.labels[night[3] + 3] == 1
    detector.save(tmp_path / "bundle")
    loaded = Detector.load(tmp_path / "bundle")
    np.testing.assert_array_equal(loaded.detect(later, timestamps=when).scores, found.scores)
    with pytest.raises(TimesMissing):
        loaded.detect(later)


def test_pattern_may_be_left_in():
    rows, times = hourly(40, 0, seed=0)
    detector = Detector("mahalanobis", season="keep").fit(rows, timestamps=times)
    assert detector.card["preparation"]["season"] is None
    assert detector.detect(rows).usable[-1]


def test_saved_detector_prepares_as_the_one_in_memory(tmp_path: Path):
    rows = LATER.copy()
    rows[20:24, 0] = np.nan
    rows[60:62, 2] = 0.0
    times = np.concatenate((seconds(90), seconds(30, 200)))
    DETECTOR.save(tmp_path / "bundle")
    own = DETECTOR.detect(rows, timestamps=times)
    other = Detector.load(tmp_path / "bundle").detect(rows, timestamps=times)
    np.testing.assert_array_equal(own.scores, other.scores)
    np.testing.assert_array_equal(own.reasons, other.reasons)


def reasons(found: Detection) -> dict[Reason, list[int]]:
    """Rows without a score, by the reason."""
    codes = np.unique(found.reasons[~found.usable]).tolist()
    return {Reason(code): np.flatnonzero(found.reasons == code).tolist() for code in sorted(codes, reverse=True)}
