"""The circuit breaker."""

from services.gateway.domain.breaker import Breaker, State


def opened() -> Breaker:
    breaker = Breaker(failures_to_open=3, open_s=2.0)
    for _ in range(3):
        breaker.failed(10.0)
    return breaker


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker(failures_to_open=3, open_s=2.0)
    for _ in range(2):
        breaker.failed(10.0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(10.0)
    assert (breaker.state(10.0), breaker.admit(10.0)) == (State.CLOSED, 0.0)
    breaker.failed(10.0)
    assert (breaker.state(10.0), breaker.admit(10.5)) == (State.OPEN, 1.5)


def test_after_the_pause_one_request_tries_and_the_others_wait():
    breaker = opened()
    assert breaker.state(12.0) is State.HALF_OPEN
    assert [breaker.admit(12.0), breaker.admit(12.5)] == [0.0, 1.5]


def test_a_try_that_works_closes_it():
    breaker = opened()
    breaker.admit(12.0)
    breaker.succeeded()
    assert breaker.state(12.0) is State.CLOSED


def test_a_try_that_fails_opens_it_again():
    breaker = opened()
    breaker.admit(12.0)
    breaker.failed(12.1)
    assert breaker.state(13.0) is State.OPEN


def test_a_try_that_never_comes_back_does_not_keep_it_shut():
    breaker = opened()
    breaker.admit(12.0)
    assert breaker.admit(14.0) == 0.0
