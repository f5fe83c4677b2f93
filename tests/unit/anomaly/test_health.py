"""From severities to the health of an asset and the day an inspection is due."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.health import HealthDesk, HealthRules, HealthUnknown, assess
from services.anomaly.domain.health_history import (
    HealthRecorder,
    History,
    HourKey,
    HourSum,
    health_increments,
    hour_of,
    hour_start,
)
from services.anomaly.domain.watch import Seen
from shared.database import DatabaseUnavailable

NOW = datetime(2026, 4, 30, tzinfo=UTC)
NOW_HOUR = hour_of(NOW)
RULES = HealthRules()


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


class MemoryHealth:
    """Implements `HealthStore`; `away` makes it fail."""

    def __init__(self) -> None:
        self.kept: dict[HourKey, HourSum] = {}
        self.away = False

    def add(self, increments: dict[HourKey, HourSum], now: datetime) -> None:
        if self.away:
            raise DatabaseUnavailable
        for key, added in increments.items():
            self.kept[key] = self.kept[key] + added if key in self.kept else added

    def history(self, asset: str) -> History:
        hours: dict[str, list[tuple[int, HourSum]]] = {}
        for key in sorted(self.kept, key=lambda key: key.hour):
            if key.asset == asset:
                hours.setdefault(key.detector, []).append((key.hour, self.kept[key]))
        return History(hours, None)

    def reset(self, asset: str, at: datetime) -> None:
        raise NotImplementedError


def hours(severities: list[float], *, last_hour: int = NOW_HOUR - 1, rows: int = 60) -> list[tuple[int, HourSum]]:
    first = last_hour - len(severities) + 1
    return [
        (first + i, HourSum(rows, rows * severity, hour_start(first + i) + timedelta(minutes=59)))
        for i, severity in enumerate(severities)
    ]


def judged(rules: HealthRules = RULES, **detectors: list[tuple[int, HourSum]]):
    return assess("acme.pump", History(detectors, None), rules, NOW)


def seen(severity: list[float], times: list[datetime] | None, asset: str | None = "acme.pump") -> Seen:
    """What a call is told to a watch, as far as health looks at it."""
    found = SimpleNamespace(
        asset=asset,
        times=times,
        detection=SimpleNamespace(severity=np.array(severity)),
        ready=SimpleNamespace(detector=SimpleNamespace(name="pump")),
    )
    return cast("Seen", found)


@pytest.mark.parametrize(("severity", "health"), [(0.0, 100.0), (0.5, 50.0), (0.6, 40.0), (1.0, 0.0)])
def test_lasting_severity_is_the_health(severity: float, health: float):
    assert judged(pump=hours([severity] * 24)).health == pytest.approx(health)


@pytest.mark.parametrize("spiked", [1, 5, 11])
def test_spike_of_some_hours_does_not_fail_a_machine(spiked: int):
    assert judged(pump=hours([0.1] * (24 - spiked) + [1.0] * spiked)).health == pytest.approx(90.0)


def test_change_that_lasts_more_than_half_the_window_does():
    assert judged(pump=hours([0.1] * 11 + [0.9] * 13)).health == pytest.approx(10.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 29), st.floats(0, 1))
def test_more_severity_never_makes_health_better(severities: list[float], place: int, more: float):
    worse = list(severities)
    place %= len(worse)
    worse[place] = max(worse[place], more)
    before, after = judged(pump=hours(severities)).health, judged(pump=hours(worse)).health
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9


def test_worst_detector_counts():
    found = judged(good=hours([0.1] * 24), bad=hours([0.7] * 24))
    assert found.health == pytest.approx(30.0)
    assert [(each.detector, each.counted) for each in found.detectors] == [("bad", True), ("good", True)]


def test_detector_that_has_been_silent_for_long_does_not_count_beside_another():
    found = judged(good=hours([0.1] * 24), bad=hours([0.9] * 24, last_hour=NOW_HOUR - 300))
    assert found.health == pytest.approx(90.0)
    assert [each.counted for each in found.detectors] == [False, True]


def test_age_of_what_is_known_is_told():
    assert judged(pump=hours([0.1] * 24, last_hour=NOW_HOUR - 25)).age_s == pytest.approx(24 * 3600 + 60)


def test_steady_decline_leads_to_a_day_between_its_earliest_and_latest():
    rng = np.random.default_rng(3)
    days = 30
    severities = [0.1 + 0.01 * i / 24 + 0.01 * rng.normal() for i in range(24 * days)]
    found = judged(pump=hours(severities))
    assert found.trend is not None
    assert found.trend.significant
    assert found.trend.lower <= -1.0 <= found.trend.upper
    due = found.condition_due
    assert due is not None
    # 0.4 is reached at the end; 0.6 is 20 days away.
    assert abs((due.day - NOW.date()).days - 20) <= 2
    assert due.latest is not None
    assert due.earliest <= due.day <= due.latest


@pytest.mark.parametrize("drift", [0.0, -0.005])
def test_no_decline_is_no_due_date(drift: float):
    rng = np.random.default_rng(4)
    found = judged(pump=hours([0.4 + drift * i / 24 + 0.02 * rng.normal() for i in range(24 * 20)]))
    assert found.condition_due is None


def test_decline_that_is_far_from_the_limit_is_no_due_date():
    rng = np.random.default_rng(3)
    severities = [0.1 + 0.01 * i / 24 + 0.01 * rng.normal() for i in range(24 * 30)]
    assert judged(HealthRules(horizon_days=10.0), pump=hours(severities)).condition_due is None


def test_health_below_the_limit_is_due_now():
    found = judged(pump=hours([0.9] * 24))
    assert found.condition_due is not None
    assert found.condition_due.day == (NOW - timedelta(minutes=1)).date()


def test_nothing_since_the_inspection_is_no_health():
    found = assess("acme.pump", History({}, NOW), RULES, NOW)
    assert (found.health, found.since, found.detectors) == (None, NOW, ())


def test_rows_are_counted_in_their_hours():
    times = [hour_start(100) + timedelta(minutes=20 * i) for i in range(6)]
    found = health_increments(seen([0.1, 0.2, np.nan, 0.4, 0.5, 0.6], times), NOW)
    assert {key.hour: (total.rows, round(total.severity_sum, 9)) for key, total in found.items()} == {
        100: (2, 0.3),
        101: (3, 1.5),
    }
    assert found[HourKey("acme.pump", "pump", 100)].last_at == times[1]


def test_rows_without_times_are_of_now_and_rows_of_no_asset_of_nobody():
    (key,) = health_increments(seen([0.1, 0.2], None), NOW)
    assert key.hour == NOW_HOUR
    assert health_increments(seen([0.1], None, asset=None), NOW) == {}


def test_row_from_a_clock_that_is_years_ahead_does_not_count():
    assert health_increments(seen([0.1], [NOW + timedelta(days=4000)]), NOW) == {}


def test_row_from_a_clock_that_is_months_ahead_does_not_hide_the_present():
    worn, ahead = hours([0.8] * 48), hours([0.1], last_hour=NOW_HOUR + 200 * 24)
    found = judged(pump=worn + ahead, fan=ahead)
    assert found.health == pytest.approx(20.0)
    assert [each.detector for each in found.detectors] == ["pump"]
    assert judged(fan=ahead).health == pytest.approx(90.0)


async def test_what_the_database_does_not_take_is_kept_for_the_next_time():
    store = MemoryHealth()
    recorder = HealthRecorder(store, clock=FixedClock(), interval_s=60.0)
    store.away = True
    recorder.seen(seen([0.2, 0.2], None))
    with pytest.raises(DatabaseUnavailable):
        await recorder.flush()
    store.away = False
    recorder.seen(seen([0.8, 0.8], None))
    await recorder.flush()
    (total,) = store.kept.values()
    assert (total.rows, total.severity_sum) == (4, pytest.approx(2.0))


async def test_recorder_of_a_database_that_stays_away_does_not_grow_for_ever():
    store = MemoryHealth()
    recorder = HealthRecorder(store, clock=FixedClock(), interval_s=60.0, limit=1)
    recorder.seen(seen([0.2], None))
    recorder.seen(seen([0.2, 0.2], None, asset="acme.fan"))
    assert recorder.lost_rows == 2


async def test_health_holds_the_last_call_and_of_an_unknown_asset_is_none():
    store = MemoryHealth()
    recorder = HealthRecorder(store, clock=FixedClock(), interval_s=60.0)
    desk = HealthDesk(store, recorder, clock=FixedClock(), rules=RULES)
    recorder.seen(seen([0.3] * 10, None))
    assert (await desk.health("acme.pump")).health == pytest.approx(70.0)
    with pytest.raises(HealthUnknown):
        await desk.health("acme.fan")
