"""A stream gets the scores of a batch, however it is cut into calls and whatever is sent twice."""

from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.rows import times_us
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.streaming_episode import Turn, episode_alerts, moment
from services.anomaly.domain.streaming_state import StreamState
from services.anomaly.domain.streaming_step import Batch, RowsOutOfOrder, Step, take_step
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.library import Detector
from shared.clock import rfc3339
from shared.contracts.alert import Alert, Severity

START_US = 1_775_001_600_000_000
SECOND_US = 1_000_000
OFF_DELAY_ROWS = 8


def plant(rows: int, seed: int) -> np.ndarray:
    load = np.sin(np.arange(rows)[:, None] / 7.0 + [0.0, 0.5])
    return np.array([30.0, 6.0]) + (load + 0.2 * np.random.default_rng(seed).normal(size=(rows, 2))) * [2.0, 0.3]


def served(threshold: dict[str, object] | None = None) -> ServedDetector:
    detector = Detector("mahalanobis", threshold=threshold, smoothing_rows=5)
    times = [moment(START_US - (400 - i) * SECOND_US) for i in range(400)]
    return replace(detector.fit(plant(400, 1), timestamps=times)._ready(), name="pump", version="1", digest="d1")


DETECTOR = served()
ADAPTING = served({"method": "margin", "factor": 2, "adaptive": {"horizon_rows": 100, "max_factor": 3}})
ROWS = plant(120, 2)
ROWS[60:75, 1] += 1.5
ROWS[90:92, 0] = np.nan
TIMES_US = START_US + SECOND_US * np.arange(120)
# The machine paused here.
TIMES_US[40:] += 600 * SECOND_US


def ready(detector: ServedDetector = DETECTOR, limit: float | None = None) -> Ready:
    threshold = detector.threshold
    return Ready(detector, threshold if limit is None else Threshold(limit, {"method": "value"}, {}))


def batch(first: int, end: int) -> Batch:
    return Batch(ROWS[first:end], TIMES_US[first:end])


def push(state: StreamState | None, first: int, end: int, *, by: Ready | None = None) -> Step:
    return take_step(state, by or ready(), batch(first, end), off_delay_rows=OFF_DELAY_ROWS)


def kept(step: Step, before: StreamState | None) -> StreamState | None:
    """What the next call finds, after its way through the store."""
    return before if step.state is None else StreamState.from_bytes(step.state.to_bytes())


@settings(max_examples=40)
@given(st.lists(st.integers(1, 119), max_size=15, unique=True), st.booleans(), st.booleans())
def test_scores_labels_and_limits_do_not_depend_on_the_calls(cuts: list[int], twice: bool, adapting: bool):
    by = ready(ADAPTING if adapting else DETECTOR)
    whole = push(None, 0, 120, by=by).scored.detection
    if not adapting:
        alone = DETECTOR.detect(ROWS, DETECTOR.threshold.value, times=TIMES_US)
        np.testing.assert_array_equal(whole.scores, alone.scores)
        np.testing.assert_array_equal(whole.reasons, alone.reasons)
    state, found = None, []
    for first, end in pairwise([0, *sorted(cuts), 120]):
        step = push(state, first, end, by=by)
        state = kept(step, state)
        found.append(step.scored.detection)
        if twice:
            again = push(state, first, end, by=by)
            assert (again.repeated, again.state, again.changes) == (end - first, None, ())
            np.testing.assert_allclose(again.scored.detection.scores, step.scored.detection.scores, rtol=1e-9)
            np.testing.assert_array_equal(again.scored.detection.labels, step.scored.detection.labels)
            assert again.scored.detection.limit == step.scored.detection.limit
    np.testing.assert_allclose(np.concatenate([one.scores for one in found]), whole.scores, rtol=1e-9)
    np.testing.assert_array_equal(np.concatenate([one.labels for one in found]), whole.labels)
    np.testing.assert_array_equal(np.concatenate([one.reasons for one in found]), whole.reasons)
    np.testing.assert_allclose(np.concatenate([one.severity for one in found]), whole.severity, rtol=1e-9)
    assert found[-1].limit == whole.limit


@settings(max_examples=30)
@given(st.lists(st.integers(1, 119), max_size=20, unique=True))
def test_turns_of_alarms_do_not_depend_on_the_calls(cuts: list[int]):
    whole = [(change.turn, change.at_us, change.episode) for change in push(None, 0, 120).changes]
    state, found = None, []
    for first, end in pairwise([0, *sorted(cuts), 120]):
        step = push(state, first, end)
        state = kept(step, state)
        found += step.changes
    over = [(change.turn, change.at_us, change.episode) for change in found if change.turn is Turn.OVER]
    assert over == [change for change in whole if change[0] is Turn.OVER]
    assert len(over) == 1
    begun = [change.episode.started_us for change in found if change.turn is Turn.BEGUN]
    assert begun == [episode.started_us for turn, _, episode in whole if turn is Turn.BEGUN]


def test_what_is_kept_is_bounded_and_survives_the_store():
    state = push(None, 0, 1).state
    for i in range(1, 60):
        state = push(state, i, i + 1).state
    assert state is not None
    assert len(state.rows) == len(state.times_us) == len(state.limits) <= DETECTOR.lookback_rows + 16
    assert StreamState.from_bytes(state.to_bytes()).to_bytes() == state.to_bytes()


def test_rows_of_an_older_layout_are_not_read():
    state = push(None, 0, 10).state
    assert state is not None
    assert StreamState.from_bytes(b"\xff" + state.to_bytes()[1:]) is None


def test_rows_that_come_late_are_named_and_the_newest_time_told():
    state = push(None, 0, 60).state
    late = Batch(ROWS[10:14], TIMES_US[10:14] + np.array([0, 1, 0, 0]))
    changed = Batch(ROWS[10:14] + np.outer([0.0, 0.0, 1.0, 0.0], [0.0, 1.0]), TIMES_US[10:14])
    for sent, pointer in ((late, "/timestamps/1"), (changed, "/rows/2")):
        with pytest.raises(RowsOutOfOrder) as refusal:
            take_step(state, ready(), sent, off_delay_rows=OFF_DELAY_ROWS)
        assert [fault.pointer for fault in refusal.value.faults] == [pointer]
        assert refusal.value.facts["newest"] == "2026-04-01T00:10:59Z"


def test_no_rows_are_no_scores():
    for state in (None, push(None, 0, 20).state):
        step = push(state, 20, 20)
        assert (len(step.scored.detection.scores), step.state, step.changes) == (0, None, ())


def test_missing_reading_sent_again_is_the_same_row():
    state = push(None, 0, 95).state
    assert push(state, 85, 95).repeated == 10


def test_row_is_held_against_the_limit_of_its_first_call_when_it_comes_again():
    first = push(None, 0, 60)
    lower = ready(limit=DETECTOR.threshold.value / 1000.0)
    again = push(first.state, 0, 60, by=lower)
    np.testing.assert_array_equal(again.scored.detection.labels, first.scored.detection.labels)
    assert push(first.state, 60, 61, by=lower).scored.detection.labels.all()


def test_other_columns_begin_anew():
    other = replace(DETECTOR, columns=tuple(replace(column, name=f"{column.name}x") for column in DETECTOR.columns))
    state = push(None, 0, 30).state
    step = push(state, 0, 30, by=ready(other))
    assert step.repeated == 0
    assert step.state is not None
    assert len(step.state.rows) == 30


def test_next_version_with_its_columns_in_another_order_goes_on_from_the_same_rows():
    turned = replace(DETECTOR, columns=DETECTOR.columns[::-1], digest="d2", version="2")
    state = push(None, 0, 30).state
    step = take_step(state, ready(turned), Batch(ROWS[25:35, ::-1], TIMES_US[25:35]), off_delay_rows=OFF_DELAY_ROWS)
    assert step.repeated == 5
    assert step.state is not None
    np.testing.assert_array_equal(step.state.rows, ROWS[35 - len(step.state.rows) : 35, ::-1])
    assert np.isfinite(step.scored.detection.scores).all()


def alerts(step: Step) -> tuple[Alert, ...]:
    numbers = count()
    return episode_alerts(step.changes, DETECTOR, asset="acme.pump1", new_id=lambda: f"id{next(numbers)}")


def test_alarm_is_told_when_it_begins_and_when_it_is_over():
    begun, over = alerts(push(None, 0, 90))
    assert (begun.kind, over.kind, over.severity) == ("anomalous_rows", "anomaly_over", Severity.INFO)
    assert begun.facts["leading_sensors"] == over.facts["leading_sensors"]
    assert over.facts["rows"] == begun.facts["rows"] >= 15
    assert over.dedup_key == f"{begun.dedup_key}:over"
    assert rfc3339(begun.occurred_at) == begun.facts["started_at"]
    assert over.occurred_at > begun.occurred_at


def test_alarm_that_becomes_critical_is_told_again_under_its_key():
    state = push(None, 0, 61).state
    state = push(state, 61, 62).state
    rows = ROWS[62:64] + np.array([0.0, 500.0])
    worse = take_step(state, ready(), Batch(rows, TIMES_US[62:64]), off_delay_rows=OFF_DELAY_ROWS)
    told = alerts(worse)
    assert [alert.severity for alert in told] == [Severity.CRITICAL]


def test_times_are_kept_to_the_microsecond():
    times = [moment(START_US + 1), moment(START_US + 2)]
    assert times_us(times).tolist() == [START_US + 1, START_US + 2]
