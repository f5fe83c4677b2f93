"""The chain of audit entries."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.audit import MAX_TEXT, ChainReader, Entry, Event, Head, Source, Verification, append

NOW = datetime(2026, 4, 1, 12, 30, 15, 123456, tzinfo=UTC)


def event(**changes: object) -> Event:
    plain = Event(NOW, "ann", "GET /x", "/x", success=True, source=Source("192.0.2.1", "r1"), facts={"status": 200})
    return replace(plain, **changes)


CHAIN = append(Head(), [event(user=f"user-{number}") for number in range(5)])
HEAD = Head(5, CHAIN[-1].digest)


def verify(entries: list[Entry], head: Head = HEAD) -> Verification:
    reader = ChainReader()
    reader.read(entries)
    ends = (entries[0].sequence, entries[-1].sequence) if entries else None
    return reader.finish(head, ends)


def test_a_chain_as_written_is_intact():
    assert verify(CHAIN) == Verification(intact=True, entries=5)
    assert verify([], Head()) == Verification(intact=True, entries=0)


def test_a_chain_written_in_parts_is_the_same_chain():
    events = [entry.event for entry in CHAIN]
    first = append(Head(), events[:2])
    assert first + append(Head(2, first[-1].digest), events[2:]) == CHAIN


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "eve"},
        {"action": "POST /x"},
        {"resource": "/y"},
        {"success": False},
        {"at": NOW.replace(hour=13)},
        {"source": Source("192.0.2.2", "r1")},
        {"source": Source("192.0.2.1", "r2")},
        {"facts": {"status": 201}},
        {"facts": {}},
    ],
)
def test_a_change_to_any_field_is_found_where_it_is(changes: dict[str, object]):
    changed = replace(CHAIN[2], event=replace(CHAIN[2].event, **changes))
    found = verify([*CHAIN[:2], changed, *CHAIN[3:]])
    assert (found.intact, found.first_bad_sequence, found.entries) == (False, 3, 2)


@pytest.mark.parametrize(
    ("entries", "sequence"),
    [
        (CHAIN[1:], 1),
        (CHAIN[:2] + CHAIN[3:], 3),
        (CHAIN[:4], 5),
        ([], 1),
        ([CHAIN[0], CHAIN[2], CHAIN[1], *CHAIN[3:]], 2),
        ([*CHAIN, CHAIN[4]], 6),
        ([CHAIN[0], CHAIN[0], *CHAIN[1:]], 2),
    ],
)
def test_removing_repeating_and_reordering_are_found(entries: list[Entry], sequence: int):
    assert verify(entries).first_bad_sequence == sequence


def test_renumbering_does_not_hide_a_removal():
    renumbered = [replace(entry, sequence=number) for number, entry in enumerate(CHAIN[:2] + CHAIN[3:], start=1)]
    assert verify(renumbered, Head(4, CHAIN[-1].digest)).first_bad_sequence == 3


def test_a_rewritten_tail_does_not_fit_the_head():
    forged = append(Head(2, CHAIN[1].digest), [event(user="eve") for _ in range(3)])
    assert not verify(CHAIN[:2] + forged).intact


def test_an_entry_outside_the_chain_is_found():
    reader = ChainReader()
    reader.read(CHAIN)
    assert reader.finish(HEAD, (1, 9)).first_bad_sequence == 9
    assert reader.finish(HEAD, (-3, 5)).first_bad_sequence == 9


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_whatever_was_sent_can_be_stored(user: str, resource: str):
    (entry,) = append(Head(), [event(user=user, resource=resource)])
    for text in (entry.event.user, entry.event.resource):
        assert len(text) <= MAX_TEXT
        assert "\0" not in text
        text.encode()


def test_texts_cannot_be_moved_from_one_field_to_the_next():
    (one,) = append(Head(), [event(user="a", action="bc")])
    (other,) = append(Head(), [event(user="ab", action="c")])
    assert one.digest != other.digest
