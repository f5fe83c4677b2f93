"""The wire form of an alert."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.contracts.alert import Alert, Severity
from shared.contracts.fields import PayloadInvalid, parse
from shared.errors import JSON

ALERT = Alert(
    id="a1",
    source="twin",
    kind="prediction_out_of_range",
    severity=Severity.WARNING,
    asset="acme.osaka.reactor.r101",
    subject="yield",
    message="The predicted yield is below 80 %.",
    occurred_at=datetime(2026, 4, 1, tzinfo=UTC),
    dedup_key="twin:yield:low",
    facts={"prediction": 78.5, "range": [80, 100]},
)


@pytest.mark.parametrize("alert", [ALERT, replace(ALERT, asset=None, facts={}, severity=Severity.CRITICAL)])
def test_an_alert_that_was_written_reads_the_same(alert: Alert) -> None:
    assert Alert.from_json(parse(json.dumps(alert.to_json()))) == alert


def test_a_time_in_another_zone_is_sent_in_utc() -> None:
    tokyo = ALERT.occurred_at.astimezone(timezone(timedelta(hours=9)))
    assert replace(ALERT, occurred_at=tokyo).to_json()["occurred_at"] == "2026-04-01T00:00:00Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [("severity", "dire"), ("asset", ""), ("facts", None), ("message", None), ("dedup_key", 3), ("occurred_at", 1)],
)
def test_a_wrong_field_is_named(field: str, value: JSON) -> None:
    with pytest.raises(PayloadInvalid, match=field):
        Alert.from_json({**ALERT.to_json(), field: value})
