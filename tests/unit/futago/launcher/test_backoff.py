"""The waits between restarts."""

from hypothesis import given
from hypothesis import strategies as st

from futago.launcher.backoff import Backoff


def test_waits_double_up_to_the_longest():
    waits = [Backoff(first_s=0.5, longest_s=3.0).delay_s(failures) for failures in (1, 2, 3, 4, 5)]
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(st.integers(1, 10**9))
def test_no_number_of_failures_waits_longer_than_the_longest(failures: int):
    assert 0.5 <= Backoff().delay_s(failures) <= 30.0


def test_failures_add_up_while_the_process_ends_early():
    assert Backoff(healthy_s=30.0).failures_after(4, ran_s=29.9) == 5


def test_a_healthy_time_starts_the_count_afresh():
    assert Backoff(healthy_s=30.0).failures_after(4, ran_s=30.0) == 1
