from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest

from services.anomaly.domain.alerts import ALERT_LIMIT, alerts_of
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.domain.usability import Reason
from services.anomaly.library import Detector
from shared.contracts.alert import Alert, Severity

NOW = datetime(2026, 4, 1, tzinfo=UTC)
SERVED = Detector("mahalanobis").fit(np.random.default_rng(0).normal(size=(300, 2)), columns=["flow", "pressure"])


def found(scores: list[float], limit: float = 1.0) -> Detection:
    values = np.array(scores)
    parts = np.stack([values * 0.25, values * 0.75], axis=1)
    reasons = np.where(np.isnan(values), Reason.WARM_UP, Reason.USABLE).astype(np.int8)
    return Detection(values, (values > limit).astype(np.int8), SeverityScale().of(values, limit), parts, limit, reasons)


def alerts(scores: list[float], *, asset: str | None = None, timed: bool = False, shift: int = 0) -> tuple[Alert, ...]:
    numbers = count()
    rows = [[float(i + shift), 0.0] for i in range(len(scores))]
    times = [NOW + timedelta(seconds=i + shift) for i in range(len(scores))] if timed else None
    return alerts_of(
        SERVED._ready(),
        found(scores),
        rows=rows,
        times=times,
        asset=asset,
        now=NOW,
        new_id=lambda: f"id{next(numbers)}",
    )


def test_normal_rows_raise_nothing():
    assert alerts([0.1, 1.0, float("nan")]) == ()


def test_each_episode_is_one_alert():
    first, second = alerts([2.0, 3.0, 0.0, 5.0], asset="acme.pump1")
    assert (first.id, second.id) == ("id0", "id1")
    assert (first.facts["rows"], first.facts["peak_score"]) == (2, 3.0)
    assert first.facts["leading_sensors"] == {"pressure": 0.75, "flow": 0.25}
    assert first.message.endswith("2 anomalous rows at acme.pump1; mostly pressure, flow")


@pytest.mark.parametrize(("peak", "severity"), [(9.9, Severity.WARNING), (10.0, Severity.CRITICAL)])
def test_ten_times_the_limit_is_critical(peak: float, severity: Severity):
    assert alerts([peak])[0].severity is severity


@pytest.mark.parametrize("timed", [True, False])
def test_same_episode_has_the_same_key_and_another_asset_or_time_has_not(timed: bool):
    key = alerts([0.0, 2.0], asset="a", timed=timed)[0].dedup_key
    assert alerts([0.0, 2.0, 3.0], asset="a", timed=timed)[0].dedup_key == key
    assert alerts([0.0, 2.0], asset="b", timed=timed)[0].dedup_key != key
    assert alerts([0.0, 2.0], asset="a", timed=timed, shift=1)[0].dedup_key != key


@pytest.mark.parametrize("scores", [[2.0, 2.0], [float("nan"), 2.0]])
def test_episode_that_began_earlier_keeps_its_key_while_the_newest_rows_are_sent_again(scores: list[float]):
    keys = {alerts(scores, timed=True, shift=shift)[0].dedup_key for shift in range(5)}
    assert len(keys) == 1


def test_alert_happened_when_its_first_row_was_measured():
    assert alerts([0.0, 2.0], timed=True)[0].occurred_at == NOW + timedelta(seconds=1)


def test_hundreds_of_episodes_do_not_make_hundreds_of_alerts():
    assert len(alerts([2.0, 0.0] * 300)) == ALERT_LIMIT
