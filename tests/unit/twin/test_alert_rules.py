"""Alert rules: just inside, just outside, and what contradicts itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.twin.domain.alert_messages import make_alert
from services.twin.domain.alert_rules import AlertRules, AlertRulesInvalid
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.excursions import Signal, SignalKind
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Requester
from shared.contracts.alert import Severity


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


@pytest.mark.parametrize(("prediction", "ends"), [(71.0, True), (70.999, False), (94.0, True), (94.001, False)])
def test_an_excursion_ends_inside_by_the_margin(prediction: float, ends: bool):
    assert AlertRules(70.0, 95.0, hysteresis=1.0).ends_excursion(prediction) is ends


@pytest.mark.parametrize(("rate_per_min", "allowed"), [(2.0, True), (-2.0, True), (2.001, False), (-2.001, False)])
def test_a_rate_is_limited_in_both_directions(rate_per_min: float, allowed: bool):
    assert AlertRules(rate_limit_per_min=2.0).allows_rate(rate_per_min) is allowed


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
        {"hysteresis": -0.1},
        {"hysteresis": float("inf")},
        {"minimum": 70.0, "maximum": 72.0, "hysteresis": 1.0},
        {"rate_limit_per_min": 0.0},
        {"rate_limit_per_min": float("nan")},
    ],
)
def test_rules_that_contradict_themselves_are_refused(arguments: dict[str, float]):
    with pytest.raises(AlertRulesInvalid):
        AlertRules(**arguments)


@pytest.mark.parametrize(
    ("signal", "message", "severity"),
    [
        (Signal(SignalKind.OUT_OF_RANGE), "yield predicts 69.5 %, outside 70 to ∞ %", Severity.CRITICAL),
        (Signal(SignalKind.BACK_IN_RANGE), "yield predicts 69.5 %, back inside 70 to ∞ %", Severity.INFO),
        (
            Signal(SignalKind.TOO_FAST, -3.25),
            "yield predicts 69.5 % and changes by -3.25 % a minute, faster than 2 % a minute",
            Severity.CRITICAL,
        ),
    ],
)
def test_the_alert_says_what_was_predicted_and_what_was_expected(signal: Signal, message: str, severity: Severity):
    prediction = Prediction("yield", "2", 69.5, "%", 68.0, 71.0, 0.9, Applicability(State.IN))
    inputs: dict[str, Any] = {"T": 380}
    alert = make_alert(
        signal,
        AlertRules(minimum=70.0, rate_limit_per_min=2.0, severity=Severity.CRITICAL),
        prediction,
        alert_id="1",
        occurred_at=datetime(2026, 4, 1, tzinfo=UTC),
        requester=Requester("kato", "acme.r101"),
        inputs=inputs,
    )
    assert (alert.message, alert.severity) == (message, severity)
    assert (alert.subject, alert.asset, alert.kind) == ("yield", "acme.r101", signal.kind.value)
    assert (alert.facts["user"], alert.facts["inputs"], alert.facts["minimum"]) == ("kato", inputs, 70.0)
    assert alert.dedup_key == f"twin:{signal.kind.value}:yield:acme.r101"
