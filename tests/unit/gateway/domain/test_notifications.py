"""Notifications: who is told of what, when again, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.domain.alerts import AlertState, StoredAlert
from services.gateway.domain.notifications import Due, NotificationPolicy, Notified, bundle, pause_s
from shared.contracts.alert import Alert, Severity

NOW = datetime(2026, 4, 1, tzinfo=UTC)
POLICY = NotificationPolicy(Severity.WARNING, repeat_after_s=3600.0)


def stored(name: str = "a", severity: Severity = Severity.WARNING, asset: str | None = "acme.r101") -> StoredAlert:
    facts = {"prediction": 69.5, "unit": None}
    alert = Alert(name, "twin", "out_of_range", severity, asset, "yield", "yield predicts 69.5 %", NOW, name, facts)
    return StoredAlert(alert, AlertState.OPEN, 1, NOW)


@pytest.mark.parametrize(
    ("severity", "former", "wanted"),
    [
        (Severity.INFO, None, False),
        (Severity.WARNING, None, True),
        (Severity.CRITICAL, None, True),
        (Severity.WARNING, Notified(NOW - timedelta(seconds=3599), Severity.WARNING), False),
        (Severity.WARNING, Notified(NOW - timedelta(seconds=3600), Severity.WARNING), True),
        (Severity.WARNING, Notified(NOW, Severity.CRITICAL), False),
        (Severity.CRITICAL, Notified(NOW, Severity.WARNING), True),
        (Severity.INFO, Notified(NOW - timedelta(days=1), Severity.INFO), False),
    ],
)
def test_people_are_told_once_a_window_or_when_it_becomes_worse(
    severity: Severity, former: Notified | None, wanted: bool
):
    assert POLICY.wants(severity, former, now=NOW) is wanted


def test_a_few_alerts_are_told_one_by_one_and_many_in_one_message():
    few = [Due(stored(str(number)), attempts=number) for number in range(5)]
    assert [(notice.alerts, notice.attempts) for notice in bundle(few)] == [
        ((due.stored,), due.attempts) for due in few
    ]
    many = [Due(stored(str(number)), 1, frozenset({"1:slack", str(number)})) for number in range(24)]
    many.append(Due(stored("worst", Severity.CRITICAL), 3, frozenset({"1:slack"})))
    (digest,) = bundle(many)
    assert (digest.title, digest.attempts, digest.reached) == ("critical: 25 alerts", 3, frozenset({"1:slack"}))
    assert len(digest.body.splitlines()) == 21
    assert digest.body.endswith("and 5 more")
    assert bundle([]) == ()


def test_a_single_alert_is_told_with_its_figures():
    twice = replace(stored(), occurrences=2, last_occurred_at=NOW + timedelta(minutes=5))
    (notice,) = bundle([Due(twice)])
    assert notice.title == "warning: yield on acme.r101"
    assert notice.body.splitlines() == [
        "yield predicts 69.5 %",
        "at 2026-04-01T00:05:00Z",
        "since 2026-04-01T00:00:00Z, 2 times",
        "prediction: 69.5",
        "alert a",
    ]
    (nowhere,) = bundle([Due(stored(asset=None))])
    assert nowhere.title == "warning: yield"


def test_the_pause_doubles_up_to_ten_minutes():
    assert [pause_s(attempts) for attempts in (1, 2, 3, 7, 8, 9, 1000)] == [5, 10, 20, 320, 600, 600, 600]
