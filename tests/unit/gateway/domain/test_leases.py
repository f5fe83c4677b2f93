"""What a process may hand out without asking."""

import pytest

from services.gateway.domain.leases import LARGEST, LIFE_S, SMALLEST, Leases
from services.gateway.domain.rate_limit import Decision, Limit

LIMIT = Limit("caller", per_hour=360_000, burst=2_000)
COUNTED = Limit("caller", per_hour=100, burst=100)
ALLOWED = Decision(allowed=True, remaining=1_000, retry_after_s=0.0, reset_after_s=10.0)
REFUSED = Decision(allowed=False, remaining=0, retry_after_s=3.0, reset_after_s=20.0)


def lent(granted: int, *, limit: Limit = LIMIT, decision: Decision = ALLOWED, asked_at_s: float = 0.0) -> Leases:
    leases = Leases()
    leases.keep("ann", limit, granted, decision, asked_at_s)
    return leases


def test_a_stranger_has_to_be_asked_for():
    assert Leases().take("ann", LIMIT, 0.0) is None
    assert Leases().wanted("ann", LIMIT, 0.0) == 0


def test_what_is_lent_is_handed_out_once_each_and_counted_down():
    leases = lent(2)
    decisions = [leases.take("ann", LIMIT, 0.1) for _ in range(3)]
    assert [decision and (decision.allowed, decision.remaining) for decision in decisions] == [
        (True, 1_001),
        (True, 1_000),
        None,
    ]
    assert leases.take("bob", LIMIT, 0.1) is None


@pytest.mark.parametrize(("now_s", "held"), [(LIFE_S - 0.01, True), (LIFE_S, False)])
def test_a_loan_ends_in_time(now_s: float, held: bool):
    assert (lent(5).take("ann", LIMIT, now_s) is not None) is held


def test_a_limit_that_changed_has_nothing_on_loan():
    assert lent(5).take("ann", Limit("caller", 360_000, 10), 0.1) is None


def test_who_was_refused_is_refused_until_then_and_asked_for_afterwards():
    leases = lent(0, decision=REFUSED)
    refused = leases.take("ann", LIMIT, 1.0)
    assert refused == Decision(allowed=False, remaining=0, retry_after_s=2.0, reset_after_s=19.0)
    assert leases.take("ann", LIMIT, 3.0) is None


def test_a_caller_who_comes_often_is_lent_more_each_time():
    assert lent(0).wanted("ann", LIMIT, 0.1) == SMALLEST
    assert lent(SMALLEST).wanted("ann", LIMIT, 0.1) == 4 * SMALLEST
    assert lent(LARGEST).wanted("ann", LIMIT, 0.1) == LARGEST


def test_a_caller_who_paused_begins_anew_and_what_is_counted_is_never_lent():
    assert lent(LARGEST).wanted("ann", LIMIT, LIFE_S) == 0
    assert lent(0, limit=COUNTED).wanted("ann", COUNTED, 0.1) == 0


def test_an_answer_without_a_loan_leaves_what_is_on_loan():
    leases = lent(3)
    leases.keep("ann", LIMIT, 0, ALLOWED, 0.1)
    assert leases.take("ann", LIMIT, 0.2) is not None


def test_the_least_recently_seen_are_forgotten():
    leases = Leases(size=2)
    for who in ("ann", "bob", "eve"):
        leases.keep(who, LIMIT, 1, ALLOWED, 0.0)
    assert [leases.take(who, LIMIT, 0.1) is not None for who in ("ann", "bob", "eve")] == [False, True, True]
