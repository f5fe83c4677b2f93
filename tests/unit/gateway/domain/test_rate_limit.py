"""The arithmetic of rate limits."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.rate_limit import Decision, Limit, decide, headers, stricter

LIMIT = Limit("caller", per_hour=3600, burst=3)
SECOND_US = 1_000_000
limits = st.builds(Limit, st.just("l"), st.integers(1, 10**7), st.integers(1, 1000))
pauses_us = st.lists(st.integers(0, 10 * SECOND_US), min_size=1, max_size=60)


def run(limit: Limit, times_us: list[int]) -> list[Decision]:
    full_at_us = None
    decisions = []
    for now_us in times_us:
        decision, full_at_us = decide(full_at_us, now_us, limit)
        decisions.append(decision)
    return decisions


def test_a_burst_passes_and_the_next_request_waits_for_one_to_refill():
    decisions = run(LIMIT, [0] * 4)
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    assert (decisions[-1].retry_after_s, decisions[-1].reset_after_s) == (1.0, 3.0)


def test_a_request_passes_exactly_when_one_has_refilled():
    assert [decision.allowed for decision in run(LIMIT, [0] * 3 + [SECOND_US - 1])] == [True, True, True, False]
    assert [decision.allowed for decision in run(LIMIT, [0] * 3 + [SECOND_US])] == [True] * 4


def test_a_limit_that_was_raised_lets_in_at_its_own_pace_at_once():
    _, full_at_us = decide(None, 0, Limit("l", per_hour=1, burst=1))
    raised = Limit("l", per_hour=3600, burst=3)
    assert decide(full_at_us, 0, raised)[0].retry_after_s == 1.0


def test_a_refused_request_costs_nothing():
    assert run(LIMIT, [0] * 50 + [SECOND_US])[-1].allowed


@given(limits, st.integers(0, 2**52))
def test_a_whole_burst_is_always_let_in_and_no_more(limit: Limit, start_us: int):
    decisions = run(limit, [start_us] * (limit.burst + 2))
    assert sum(decision.allowed for decision in decisions) == limit.burst
    assert [decision.remaining for decision in decisions[: limit.burst]] == list(reversed(range(limit.burst)))


@given(limits, pauses_us)
def test_no_more_pass_than_a_burst_and_what_refilled(limit: Limit, pauses_us: list[int]):
    times_us = list(accumulate(pauses_us))
    allowed = sum(decision.allowed for decision in run(limit, times_us))
    assert allowed <= limit.burst + (times_us[-1] - times_us[0]) / limit.interval_us


@given(limits, pauses_us)
def test_whoever_waits_as_told_is_let_in_and_a_microsecond_earlier_is_not(limit: Limit, pauses_us: list[int]):
    full_at_us = None
    for now_us in accumulate(pauses_us):
        decision, full_at_us = decide(full_at_us, now_us, limit)
        if not decision.allowed:
            earliest_us = now_us + round(decision.retry_after_s * SECOND_US)
            assert decide(full_at_us, earliest_us, limit)[0].allowed
            assert not decide(full_at_us, earliest_us - 1, limit)[0].allowed


@pytest.mark.parametrize(("per_hour", "burst"), [(0, 1), (1, 0), (-1, 1), (10**10, 1)])
def test_a_limit_that_lets_nothing_in_is_a_mistake(per_hour: int, burst: int):
    with pytest.raises(ValueError, match="at least"):
        Limit("l", per_hour, burst)


def test_the_headers_say_quota_window_remaining_and_reset():
    decision = Decision(allowed=False, remaining=0, retry_after_s=0.2, reset_after_s=9.1)
    assert headers(Limit("caller", 3600, 10), decision) == (
        ("RateLimit-Policy", '"caller";q=10;w=10'),
        ("RateLimit", '"caller";r=0;t=10'),
    )


@given(st.integers(10_001, 10**7), st.integers(1, 10**7))
def test_above_what_is_counted_an_hour_never_sees_more_than_its_number(per_hour: int, burst: int):
    limit = Limit("l", per_hour, burst)
    # A whole burst, and all that refills in the hour after it.
    assert limit.at_once + 3_600_000_000 / limit.interval_us <= per_hour


@given(limits, limits)
def test_what_stands_in_on_one_replica_lets_in_no_more_in_an_hour_either(limit: Limit, other: Limit):
    local = stricter(limit, other)
    assert local.burst <= max(1, limit.per_hour // 2)
    assert local.at_once + 3_600_000_000 // local.interval_us <= max(2, limit.per_hour)
