"""Excursions of predictions: told once, told again when they last, ended by a margin, and kept apart by asset."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.twin.domain.alert_messages import make_alert
from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.excursions import Excursions, Signal, SignalKind
from services.twin.domain.prediction import Prediction, Status
from services.twin.domain.serving import Requester

OUT, BACK, FAST = SignalKind.OUT_OF_RANGE, SignalKind.BACK_IN_RANGE, SignalKind.TOO_FAST


def predicted(value: float, *, version: str = "1", status: Status = Status.OK) -> Prediction:
    return Prediction("yield", version, value, "%", 0.0, 0.0, 0.9, Applicability(State.IN), status)


def signals(rules: AlertRules, *seen: tuple[float, float]) -> list[Sequence[SignalKind]]:
    """What is told at each of the pairs of time [s] and value."""
    excursions = Excursions()
    return [
        [signal.kind for signal in excursions.follow(rules, predicted(value), "r101", at_s=at_s, now_s=at_s)]
        for at_s, value in seen
    ]


def test_an_excursion_is_told_once_and_again_after_each_cool_down_while_it_lasts():
    rules = AlertRules(70.0, 95.0, cooldown_s=60.0)
    seen = [(0.0, 96.0), (59.9, 97.0), (60.0, 96.0), (61.0, 95.0), (62.0, 94.0)]
    assert signals(rules, *seen) == [[OUT], [], [OUT], [BACK], []]


def test_without_a_cool_down_each_excursion_is_told_once():
    rules = AlertRules(70.0, 95.0, cooldown_s=0.0)
    seen = [(0.0, 96.0), (1.0, 97.0), (2.0, 80.0), (3.0, 69.0), (4.0, 68.0)]
    assert signals(rules, *seen) == [[OUT], [], [BACK], [OUT], []]


def test_a_value_at_the_edge_of_its_range_is_one_excursion_with_hysteresis_and_many_without():
    flutter = [(0.0, 95.1), (1.0, 94.9), (2.0, 95.1), (3.0, 94.9), (4.0, 93.9)]
    assert signals(AlertRules(70.0, 95.0, cooldown_s=0.0), *flutter) == [[OUT], [BACK], [OUT], [BACK], []]
    with_margin = AlertRules(70.0, 95.0, hysteresis=1.0, cooldown_s=0.0)
    assert signals(with_margin, *flutter) == [[OUT], [], [], [], [BACK]]


def test_an_excursion_within_the_cool_down_of_another_is_told_when_it_outlasts_it():
    rules = AlertRules(maximum=95.0, cooldown_s=60.0)
    seen = [(0.0, 96.0), (10.0, 90.0), (20.0, 96.0), (30.0, 90.0), (40.0, 96.0), (60.0, 96.0)]
    assert signals(rules, *seen) == [[OUT], [BACK], [], [], [], [OUT]]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([(0.0, 80.0), (60.0, 82.0)], []),
        ([(0.0, 80.0), (60.0, 82.1)], [FAST]),
        ([(0.0, 80.0), (60.0, 77.9)], [FAST]),
        # Out of order, or in one batch: no rate can be told.
        ([(60.0, 80.0), (0.0, 90.0)], []),
        ([(60.0, 80.0), (60.0, 90.0)], []),
        # Half a second apart, the change counts as one of a second.
        ([(0.0, 80.0), (0.5, 80.03)], []),
        ([(0.0, 80.0), (0.5, 80.04)], [FAST]),
        # A ramp in small steps is as fast as in large ones.
        ([(step / 4.0, 80.0 + 0.01 * step) for step in range(12)], [FAST]),
        ([(step / 4.0, 80.0 + 0.008 * step) for step in range(12)], []),
        # Told once while it goes on, and again once it has paused.
        ([(0.0, 80.0), (60.0, 85.0), (120.0, 90.0), (180.0, 90.0), (240.0, 95.0)], [FAST, FAST]),
    ],
)
def test_a_change_is_judged_by_its_rate(seen: list[tuple[float, float]], told: list[SignalKind]):
    rules = AlertRules(rate_limit_per_min=2.0, cooldown_s=0.0)
    assert [kind for kinds in signals(rules, *seen) for kind in kinds] == told


def test_another_version_or_the_surrogate_is_no_change_of_the_plant():
    rules, excursions = AlertRules(rate_limit_per_min=2.0), Excursions()
    answers = [predicted(80.0), predicted(90.0, version="2"), predicted(85.0, status=Status.FALLBACK), predicted(80.0)]
    found = [excursions.follow(rules, answer, None, at_s=60.0 * n, now_s=60.0 * n) for n, answer in enumerate(answers)]
    assert found == [[], [], [], []]


@pytest.mark.parametrize(("status", "told"), [(Status.OK, 1), (Status.FALLBACK, 1), (Status.HOLD, 0)])
def test_a_repeated_prediction_is_no_news_and_the_surrogates_is(status: Status, told: int):
    found = Excursions().follow(AlertRules(maximum=95.0), predicted(96.0, status=status), None, at_s=0.0, now_s=0.0)
    assert len(found) == told


def test_assets_are_told_apart_and_the_memory_of_them_is_bounded():
    rules, excursions = AlertRules(maximum=95.0, cooldown_s=60.0), Excursions()

    def told(asset: str, now_s: float) -> bool:
        return bool(excursions.follow(rules, predicted(96.0), asset, at_s=now_s, now_s=now_s))

    assert all(told(str(number), 0.0) for number in range(10_001))
    assert told("0", 1.0)
    assert not told("10000", 1.0)


def test_rows_of_one_moment_tell_nothing_of_a_rate_however_soon_they_follow_another_prediction():
    rules = AlertRules(rate_limit_per_min=60.0, cooldown_s=0.0)
    batch = [(0.5, 80.0), (0.5, 90.0), (0.5, 70.0)]
    assert signals(rules, (0.0, 80.0), *batch) == [[], [], [], []]
    assert signals(rules, (0.0, 80.0), (0.5, 80.0), (0.9, 90.0)) == [[], [], [FAST]]


def test_an_alert_keeps_the_numbers_of_its_inputs_and_not_whatever_a_bad_reading_holds():
    inputs = {"temp": 361.5, "flow": {"value": [[0.0] * 1000], "quality": "bad", "unit": None, "timestamp": "9" * 5000}}
    alert = make_alert(
        Signal(OUT),
        AlertRules(maximum=70.0),
        predicted(80.0),
        alert_id="a1",
        occurred_at=datetime(2026, 4, 1, tzinfo=UTC),
        requester=Requester("kato", "r101"),
        inputs=inputs,
    )
    assert alert.facts["inputs"] == {"temp": 361.5, "flow": {"quality": "bad", "unit": None, "timestamp": "9" * 100}}
