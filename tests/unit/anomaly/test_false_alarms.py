"""What a limit's evidence says of false alarms, and the check of that promise on live rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.false_alarms import (
    alarms,
    false_alarms,
    poisson_interval,
    rows_per_day,
    share_interval,
    stated_rows_per_day,
    with_false_alarms,
)
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.live_counts import LiveCount, Promise, Verdict, limit_key, total_of
from services.anomaly.domain.thresholds import Margin, Value

NOW = datetime(2026, 4, 1, tzinfo=UTC)
SPACING_ROWS = 30


def held_out(scores: np.ndarray, spacing_rows: int = SPACING_ROWS) -> HeldOut:
    return HeldOut(scores, spacing_rows - 1, 4 * len(scores))


def quiet(rows: int = 3000) -> HeldOut:
    return held_out(np.random.default_rng(0).uniform(0.1, 1.0, rows))


def count(rows: int, alarm_rows: int, alarms: int, asset: str | None = None) -> LiveCount:
    return LiveCount(asset, rows, alarm_rows, alarms, NOW, NOW)


def promise(scores: HeldOut, limit: float) -> Promise:
    found = Promise.of(with_false_alarms(Value(limit).settle(scores), scores, rows_of_a_day=None))
    assert found is not None
    return found


# Ends of the 90 % interval in the table of Pearson & Hartley (1966), Biometrika Tables for Statisticians I, no. 40.
@pytest.mark.parametrize(
    ("seen", "ends"), [(0, (0.0, 2.996)), (1, (0.0513, 4.744)), (2, (0.355, 6.296)), (10, (5.425, 16.962))]
)
def test_interval_of_a_count_is_garwoods(seen: int, ends: tuple[float, float]):
    assert poisson_interval(seen) == pytest.approx(ends, abs=2e-3)


@given(st.integers(0, 5000))
def test_interval_of_a_count_holds_the_count(seen: int):
    lower, upper = poisson_interval(seen)
    assert lower <= seen <= upper


@given(st.floats(0.0, 1.0), st.integers(1, 10_000))
def test_interval_of_a_share_lies_between_0_and_1_and_holds_the_share(share: float, n: int):
    lower, upper = share_interval(share, n)
    assert -1e-12 <= lower <= share + 1e-12
    assert share - 1e-12 <= upper <= 1.0


@given(st.lists(st.integers(0, 1), max_size=80), st.integers(1, 20))
def test_alarms_are_the_clusters_that_a_walk_over_the_rows_finds(labels: list[int], apart_rows: int):
    found, last = 0, -apart_rows
    for row, label in enumerate(labels):
        if label:
            found += row - last >= apart_rows
            last = row
    assert alarms(np.array(labels, np.int8), apart_rows=apart_rows) == found


def test_none_seen_is_not_none_expected():
    found = false_alarms(quiet(), 2.0)
    assert found.seen_alarms == 0
    assert 0.0 < found.alarms.expected < found.alarms.upper
    # The rule of three, in alarms per row.
    assert found.alarms.upper == pytest.approx(3.0 / 3000, rel=0.01)
    assert found.rows.upper > found.alarms.upper


def test_few_independent_rows_promise_little():
    few, many = false_alarms(quiet(90), 2.0), false_alarms(quiet(9000), 2.0)
    assert few.alarms.upper > 50 * many.alarms.upper
    # There are no more alarms than stretches that share no reading.
    assert few.alarms.upper <= 1.0 / SPACING_ROWS


def test_statement_holds_on_later_rows_about_as_often_as_it_says():
    rng, held, rows = np.random.default_rng(1), 0, 3000
    for _ in range(200):
        # Independent rows, one alarm in 300 of them.
        first, later = (rng.uniform(size=rows) < 1 / 300 for _ in range(2))
        found = false_alarms(held_out(first.astype(float), spacing_rows=1), 0.5)
        held += found.alarms.lower * rows <= rows / 300 <= found.alarms.upper * rows
        assert later.sum() > 0
    assert held / 200 > 0.85


def test_evidence_is_by_the_day_where_times_are_known():
    rows = quiet()
    threshold = with_false_alarms(Margin(2.0).settle(rows), rows, rows_of_a_day=1440.0)
    daily, thousand = threshold.evidence["false_alarms_per_day"], threshold.evidence["false_alarms_per_1000_rows"]
    assert set(daily) == {
        *("expected", "lower", "upper", "confidence", "basis_rows", "independent", "seen", "anomalous_rows"),
        "rows_per_day",
    }
    assert daily["upper"] == pytest.approx(1.44 * thousand["upper"])
    assert (daily["basis_rows"], daily["independent"]) == (3000, 100)
    assert stated_rows_per_day(threshold) == 1440.0


def test_evidence_without_times_is_by_the_thousand_rows():
    rows = quiet()
    threshold = with_false_alarms(Margin(2.0).settle(rows), rows, rows_of_a_day=None)
    assert threshold.evidence["false_alarms_per_day"] is None
    assert threshold.evidence["false_alarms_per_1000_rows"]["expected"] > 0
    assert stated_rows_per_day(threshold) is None


def test_rows_of_a_day_come_from_the_training_period():
    assert rows_per_day((NOW, NOW + timedelta(hours=10)), 601) == pytest.approx(1440.0)
    assert rows_per_day((NOW, NOW), 1) is None


def test_promise_that_is_kept_is_called_broken_in_one_of_a_hundred_lives_at_most():
    rng, broken = np.random.default_rng(2), 0
    said = promise(quiet(), 2.0)
    for _ in range(300):
        # As many alarms as the promise allows at most, looked at after every hundred rows.
        new = np.cumsum(rng.poisson(100 * said.most_alarms, 200))
        lives = [count(100 * (i + 1), int(n), int(n)) for i, n in enumerate(new)]
        broken += any(said.verdict(life) is Verdict.MORE_ALARMS for life in lives)
    assert broken / 300 <= 0.01 + 0.01


@pytest.mark.parametrize(
    ("met", "verdict"),
    [
        (count(100, 0, 0), Verdict.UNKNOWN),
        (count(3000, 3, 2), Verdict.AS_PROMISED),
        (count(3000, 30, 25), Verdict.MORE_ALARMS),
        # A limit that is always passed is one alarm without an end.
        (count(3000, 3000, 1), Verdict.MORE_ALARMS),
        (count(100_000, 100, 60), Verdict.AS_PROMISED),
    ],
)
def test_live_rows_are_compared_with_the_promise(met: LiveCount, verdict: Verdict):
    assert promise(quiet(), 2.0).verdict(met) is verdict


def test_limit_without_a_statement_promises_nothing():
    assert Promise.of(Margin(2.0).settle(quiet())) is None


def test_counts_of_assets_add_up():
    total = total_of([count(100, 5, 2, "a"), replace(count(50, 1, 1, "b"), first_seen=NOW - timedelta(days=1))])
    assert total == LiveCount(None, 150, 6, 3, NOW - timedelta(days=1), NOW)
    assert total_of([]) is None


def test_another_limit_has_another_key():
    rows = quiet()
    keys = {limit_key(rule.settle(rows)) for rule in (Margin(2.0), Margin(3.0), Value(2.0))}
    assert len(keys) == 3
