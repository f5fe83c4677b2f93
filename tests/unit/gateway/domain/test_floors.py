"""What a process has heard of revocations."""

from services.gateway.domain.credentials import LONGEST_MEMORY_S, Stamp
from services.gateway.domain.floors import KnownFloors

ANN = (Stamp("user:ann", 3), Stamp("session:s", 0))


def floors() -> KnownFloors:
    return KnownFloors(lambda: None)


def test_a_floor_ends_what_lies_below_it_and_nothing_else():
    known = floors()
    assert not known.ended(ANN)
    known.raise_to(Stamp("user:ann", 3), 0.0)
    known.raise_to(Stamp("user:bob", 9), 0.0)
    assert not known.ended(ANN)
    known.raise_to(Stamp("session:s", 1), 0.0)
    assert known.ended(ANN)


def test_a_floor_never_sinks():
    known = floors()
    known.raise_to(Stamp("user:ann", 5), 0.0)
    known.raise_to(Stamp("user:ann", 1), 1.0)
    assert known.ended(ANN)


def test_what_is_known_has_the_age_of_the_last_reading():
    known = floors()
    assert known.age_s(5.0) == float("inf")
    known.have_read(4.0)
    assert known.age_s(5.0) == 1.0


def test_floors_outlive_every_memory_and_are_forgotten_then():
    known = floors()
    known.raise_to(Stamp("user:ann", 4), 0.0)
    known.have_read(2 * LONGEST_MEMORY_S - 1)
    assert known.ended(ANN)
    known.have_read(2 * LONGEST_MEMORY_S)
    assert not known.ended(ANN)


def test_a_gap_drops_all_that_is_remembered_and_begins_a_new_era():
    dropped: list[int] = []
    known = KnownFloors(lambda: dropped.append(1))
    known.have_missed()
    assert (dropped, known.era) == ([1], 1)
