"""Alert rules: just inside, just outside, and not twice within the cool-down."""

from datetime import UTC, datetime

import pytest

from services.twin.domain.alert_rules import AlertRules, AlertRulesInvalid, CoolDown, range_alert
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.prediction import Prediction


@pytest.mark.parametrize(
    ("rules", "prediction", "allowed"),
    [
        (AlertRules(70.0, 95.0), 70.0, True),
        (AlertRules(70.0, 95.0), 95.0, True),
        (AlertRules(70.0, 95.0), 69.999, False),
        (AlertRules(70.0, 95.0), 95.001, False),
        (AlertRules(minimum=70.0), 1e9, True),
        (AlertRules(maximum=95.0), -1e9, True),
        (AlertRules(), 0.0, True),
    ],
)
def test_a_range_includes_its_ends(rules: AlertRules, prediction: float, allowed: bool):
    assert rules.allows(prediction) is allowed


@pytest.mark.parametrize(
    "arguments",
    [
        {"minimum": 95.0, "maximum": 70.0},
        {"minimum": 70.0, "maximum": 70.0},
        {"minimum": float("nan")},
        {"maximum": float("inf")},
        {"cooldown_s": -1.0},
        {"cooldown_s": float("nan")},
        {"cooldown_s": 1e9},
    ],
)
def test_rules_that_contradict_themselves_are_refused(arguments: dict):
    with pytest.raises(AlertRulesInvalid):
        AlertRules(**arguments)


def test_a_second_alert_waits_for_the_cool_down_and_other_assets_do_not():
    cool_down = CoolDown()
    asked = [(("m", "a"), 0.0), (("m", "a"), 9.9), (("m", "b"), 9.9), (("m", "a"), 10.0), (("m", "a"), 19.9)]
    assert [cool_down.passed(key, now_s=now_s, cooldown_s=10.0) for key, now_s in asked] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_the_memory_of_the_cool_down_is_bounded():
    cool_down = CoolDown()
    for number in range(10_001):
        cool_down.passed(("m", str(number)), now_s=0.0, cooldown_s=10.0)
    assert cool_down.passed(("m", "0"), now_s=1.0, cooldown_s=10.0)
    assert not cool_down.passed(("m", "10000"), now_s=1.0, cooldown_s=10.0)


def test_the_alert_says_what_was_predicted_and_what_was_expected():
    prediction = Prediction("yield", "2", 69.5, "%", 68.0, 71.0, 0.9, Applicability(State.IN))
    alert = range_alert(
        AlertRules(minimum=70.0),
        prediction,
        alert_id="1",
        occurred_at=datetime(2026, 4, 1, tzinfo=UTC),
        asset="acme.r101",
        user="kato",
        inputs={"T": 380},
    )
    assert alert.message == "yield predicts 69.5 %, outside 70 to ∞ %"
    assert (alert.subject, alert.asset, alert.facts["user"], alert.facts["inputs"]) == (
        "yield",
        "acme.r101",
        "kato",
        {"T": 380},
    )
