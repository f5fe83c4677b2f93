"""What a version learns from observations: judged before, learned after, and the same after a restart."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.twin.domain.coverage import CoverageState
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import Learner, LiveState, Measured, Verdict
from services.twin.domain.live_settings import CoverageBand, LiveSettings

MINUTE_MS = 60_000
START_MS = 1_800_000_000_000
BOTH = LiveSettings(bias_update=True, adaptive=True)
METHODS = list(IntervalMethod)


def learner(live: LiveSettings = BOTH, method: IntervalMethod = IntervalMethod.SPLIT) -> Learner:
    """Calibrated on unit noise."""
    scores = np.sort(np.abs(np.random.default_rng(0).normal(size=500)))
    if method is IntervalMethod.CQR:
        return Learner(live, Calibration(method, scores - 1.0))
    return Learner(live, Calibration(method, scores, 0.5 if method is IntervalMethod.NORMALIZED else 0.0))


def outputs(prediction: float = 0.0) -> Outputs:
    """One row that every method can make an interval of, with a spread of 1 together with the floor."""
    value = np.array([prediction])
    return Outputs(value, np.array([0.5]), value - 1.0, value + 1.0)


def measured(actual: float, place: int, *, delay: int = 0) -> Measured:
    at_ms = START_MS + place * MINUTE_MS
    return Measured(outputs(), actual, at_ms, at_ms + delay * MINUTE_MS + 1)


def live(actuals: list[float], way: Learner, *, delay: int = 0) -> tuple[LiveState, list[bool], list[Verdict]]:
    """Predict and observe in turn: the state at the end, whether each interval as given out held, and the verdicts."""
    state, hits, verdicts = LiveState(), [], []
    for now in range(len(actuals) + delay):
        if now < len(actuals):
            correction = state.correction or LiveCorrection()
            _, lower, upper = correction.correct(way.calibration, outputs(), 0.9)
            hits.append(bool(lower[0] <= actuals[now] <= upper[0]))
        if now >= delay:
            state, verdict = state.observe(measured(actuals[now - delay], now - delay, delay=delay), way)
            verdicts.append(verdict)
    return state, hits, verdicts


def drifting(rows: int, seed: int) -> list[float]:
    """Residuals of a plant that fouls, with a sensor that creeps and a step half-way, and noise that doubles."""
    rng = np.random.default_rng(seed)
    drift = np.linspace(0.0, 4.0, rows) + 2.0 * (np.arange(rows) > rows // 2)
    return (drift + rng.normal(size=rows) * np.linspace(1.0, 2.0, rows)).tolist()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("delay", [0, 24])
def test_coverage_holds_on_a_drifting_series_where_the_calibration_alone_fails(method: IntervalMethod, delay: int):
    actuals = drifting(1_500, seed=3)
    _, hits, _ = live(actuals, learner(method=method), delay=delay)
    _, plain, _ = live(actuals, learner(LiveSettings(), method), delay=delay)
    assert np.mean(plain) < 0.5
    assert 0.88 <= np.mean(hits) <= 0.92


@pytest.mark.parametrize("change", [{"bias_update": True}, {"adaptive": True}])
def test_each_correction_works_by_itself(change: dict[str, bool]):
    actuals = (np.random.default_rng(1).normal(size=800) + 3.0).tolist()
    _, hits, _ = live(actuals, learner(LiveSettings(**change)))
    _, plain, _ = live(actuals, learner(LiveSettings()))
    assert np.mean(plain) < 0.1
    assert 0.85 <= np.mean(hits) <= 0.93


def test_a_steady_plant_is_left_as_it_is():
    actuals = np.random.default_rng(5).normal(size=1_000).tolist()
    state, hits, _ = live(actuals, learner())
    assert 0.88 <= np.mean(hits) <= 0.92
    assert state.correction is not None
    assert abs(state.correction.bias) < 0.35
    assert state.alarm.state is CoverageState.OK


def test_without_live_settings_nothing_corrects_and_the_figures_are_told_all_the_same():
    actuals = [2.0] * 100
    state, _, verdicts = live(actuals, learner(LiveSettings()))
    assert state.correction is None
    assert {verdict.prediction for verdict in verdicts} == {0.0}
    figures = state.figures()
    assert figures is not None
    assert (figures.rows, figures.coverage, figures.bias) == (100, 0.0, pytest.approx(2.0))
    assert (figures.rmse, figures.mae) == (pytest.approx(2.0), pytest.approx(2.0))


@pytest.mark.parametrize("delay", [0, 24])
def test_an_observation_is_judged_by_what_was_given_out_in_its_time(delay: int):
    actuals = drifting(400, seed=9)
    _, hits, verdicts = live(actuals, learner(), delay=delay)
    # The oldest corrections are remembered more sparsely, and before the first there is nothing to look up.
    compared = list(zip(hits, verdicts, strict=True))[2 * delay :]
    assert all(hit == verdict.covered for hit, verdict in compared)


def test_a_record_that_is_played_back_is_judged_by_the_state_before_each_row():
    way, state, now_ms = learner(), LiveState(), START_MS + 10_000 * MINUTE_MS
    hits = []
    for place, actual in enumerate(drifting(600, seed=2)):
        at_ms = START_MS + place * MINUTE_MS
        state, verdict = state.observe(Measured(outputs(), actual, at_ms, now_ms + place), way)
        hits.append(verdict.covered)
    assert 0.87 <= np.mean(hits) <= 0.93


def test_a_burst_is_judged_by_what_was_known_before_it():
    way, state = learner(), LiveState()
    received_ms = START_MS + 1_000 * MINUTE_MS
    for place in range(100):
        state, _ = state.observe(measured(0.0, place), way)
    for place in range(900, 960):
        state, verdict = state.observe(Measured(outputs(), 5.0, START_MS + place * MINUTE_MS, received_ms), way)
        assert verdict.prediction == 0.0
    assert state.correction is not None
    assert state.correction.bias > 4.0


@settings(max_examples=40)
@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=120),
    st.sampled_from(METHODS),
    st.lists(st.floats(0.01, 0.995), min_size=2, max_size=6),
)
def test_a_higher_level_is_never_narrower_and_no_interval_is_infinite(
    actuals: list[float], method: IntervalMethod, levels: list[float]
):
    way = learner(method=method)
    state, _, _ = live(actuals, way)
    assert state.correction is not None
    ends = [state.correction.correct(way.calibration, outputs(), level) for level in sorted(levels)]
    for (_, lower, upper), (prediction, wider_lower, wider_upper) in pairwise(ends):
        assert wider_lower[0] <= lower[0] <= prediction[0] <= upper[0] <= wider_upper[0]
        assert np.isfinite(wider_lower[0])
        assert np.isfinite(wider_upper[0])


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.sampled_from(METHODS), st.data())
def test_a_restart_between_two_observations_changes_nothing(
    actuals: list[float], method: IntervalMethod, data: st.DataObject
):
    way = learner(method=method)
    stop = data.draw(st.integers(0, len(actuals)))
    state = LiveState()
    for place, actual in enumerate(actuals):
        if place == stop:
            state = LiveState.of(json.loads(json.dumps(state.to_json(), allow_nan=False)), state.revision)
        state, _ = state.observe(measured(actual, place), way)
    unbroken, _, _ = live(actuals, way)
    assert state.to_json() == unbroken.to_json()
    assert state.correction == unbroken.correction


@settings(max_examples=25)
@given(st.permutations(range(40)))
def test_the_window_and_its_bias_do_not_depend_on_the_order_of_arrival(order: list[int]):
    way = learner(LiveSettings(bias_update=True))
    late_ms = START_MS + 1_000 * MINUTE_MS
    state = LiveState()
    for place in order:
        at_ms = START_MS + place * MINUTE_MS
        state, _ = state.observe(Measured(outputs(), float(place % 7), at_ms, late_ms), way)
    assert [seen.observed_at_ms for seen in state.window] == sorted(seen.observed_at_ms for seen in state.window)
    assert (state.rows, state.since_ms) == (40, START_MS)
    assert state.correction is not None
    in_order = LiveState()
    for place in range(40):
        at_ms = START_MS + place * MINUTE_MS
        in_order, _ = in_order.observe(Measured(outputs(), float(place % 7), at_ms, late_ms), way)
    assert in_order.correction is not None
    assert state.correction.bias == pytest.approx(in_order.correction.bias)


def test_what_is_older_than_a_full_window_is_counted_and_teaches_nothing():
    way = learner(LiveSettings(bias_update=True, window_rows=50, coverage_band=CoverageBand(rows=50)))
    state, _, _ = live([1.0] * 50, way)
    later, verdict = state.observe(Measured(outputs(), 99.0, START_MS - 1, START_MS + 999 * MINUTE_MS), way)
    assert verdict.learned is False
    assert (later.rows, later.since_ms) == (51, START_MS - 1)
    assert (later.window, later.correction) == (state.window, state.correction)


def test_an_alarm_is_raised_once_and_cleared_when_coverage_is_back():
    way = learner(LiveSettings())
    rng = np.random.default_rng(4)
    noise = rng.normal(size=1_200)
    noise[400:700] += 3.0
    state, states = LiveState(), []
    for place, actual in enumerate(noise.tolist()):
        state, _ = state.observe(measured(actual, place), way)
        states.append(state.alarm.state)
    changes = [(place, after) for place, (before, after) in enumerate(pairwise(states), 1)
               if after is not before]  # fmt: skip
    assert [state for _, state in changes] == [CoverageState.LOW, CoverageState.OK]
    assert 400 < changes[0][0] < 460
    assert state.alarm.since_ms == START_MS + changes[1][0] * MINUTE_MS + 1


def test_the_adapted_level_rises_where_intervals_keep_missing():
    state, _, _ = live(np.linspace(0.0, 60.0, 300).tolist(), learner(LiveSettings(adaptive=True)))
    assert state.adapted_level is not None
    assert state.adapted_level > 0.95
    assert LiveState().adapted_level is None
    assert LiveState().figures() is None
