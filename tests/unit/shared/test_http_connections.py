"""The register of open connections: who is let in, who makes room, who is looked at."""

from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from shared.http.connections import Connections
from shared.http.wire_limits import WireLimits


@dataclass(eq=False)
class FakeConnection:
    address: str = "192.0.2.1"
    since_s: float | None = 0.0
    made_room: bool = False
    checked: list[tuple[float, float]] = field(default_factory=list)

    def waits_since_s(self) -> float | None:
        return self.since_s

    def check(self, now_s: float, passed_s: float) -> None:
        self.checked.append((now_s, passed_s))

    def make_room(self) -> None:
        self.made_room = True


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_where_no_more_fit_the_one_that_has_waited_longest_makes_room():
    register = Connections(WireLimits(connections=3))
    first, second, busy = FakeConnection(since_s=2.0), FakeConnection(since_s=1.0), FakeConnection(since_s=None)
    assert all(register.admit(each) for each in (first, second, busy))
    assert register.admit(FakeConnection())
    assert (first.made_room, second.made_room, busy.made_room) == (False, True, False)
    assert len(register) == 3


def test_whoever_is_being_answered_is_not_sent_away_for_a_newcomer():
    register = Connections(WireLimits(connections=2))
    busy = [FakeConnection(since_s=None), FakeConnection(since_s=None)]
    assert all(register.admit(each) for each in busy)
    assert not register.admit(FakeConnection())
    assert not any(each.made_room for each in busy)


def test_one_address_takes_the_room_of_no_other():
    register = Connections(WireLimits(connections=100, connections_per_address=2))
    theirs = [FakeConnection("198.51.100.1", since_s=None) for _ in range(2)]
    ours = FakeConnection("192.0.2.1", since_s=0.0)
    assert all(register.admit(each) for each in (ours, *theirs))
    assert not register.admit(FakeConnection("198.51.100.1"))
    assert not ours.made_room
    register.release(theirs[0])
    register.release(theirs[0])
    assert register.admit(FakeConnection("198.51.100.1"))


def test_a_connection_that_stands_for_many_is_counted_in_the_sum_alone():
    register = Connections(WireLimits(connections=10, connections_per_address=1))
    assert all(register.admit(FakeConnection("", since_s=None)) for _ in range(10))
    assert not register.admit(FakeConnection("", since_s=None))


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", ""),
        ("::ffff:10.0.0.1", ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_a_connection_counts_for_its_address_or_its_network(host: str | None, counted: str):
    register = Connections(WireLimits(addresses_of_many=(ip_network("10.0.0.0/8"),)))
    assert register.counted_as(host) == counted


def test_everybody_is_looked_at_with_the_time_that_has_passed():
    time_s = FakeTime()
    register = Connections(WireLimits(), time_s)
    connection = FakeConnection()
    register.admit(connection)
    time_s.now_s += 1.5
    register.sweep()
    register.release(connection)
    register.sweep()
    assert connection.checked == [(101.5, 1.5)]
    assert register.now_s == 101.5
