"""What is carried of the audit trail: batches on their way in, lines on their way out, repeats counted together."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.audit import ANONYMOUS, Event, Head, Source, append
from services.gateway.domain.audit_batches import Batch, batch_json, batch_of
from services.gateway.domain.audit_lines import entry_of_line, line_of
from services.gateway.domain.audit_repeats import Repeats
from shared.contracts.fields import PayloadInvalid, parse
from shared.events import event_text
from tests.unit.gateway.fakes import NOW

TEXTS = st.text(max_size=40)
FACTS = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=3), max_size=3
)
MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda us: NOW + timedelta(microseconds=us))
EVENTS = st.builds(Event, MOMENTS, TEXTS, TEXTS, TEXTS, st.booleans(), st.builds(Source, TEXTS, TEXTS), FACTS)


@given(st.lists(EVENTS, max_size=4))
def test_a_batch_comes_out_of_the_stream_as_it_went_in(events: list[Event]):
    batch = Batch("b1", tuple(events))
    assert batch_of(parse(event_text(batch_json(batch)))) == batch


@given(EVENTS)
def test_an_entry_is_read_back_from_its_line(event: Event):
    (entry,) = append(Head(), [event])
    line = line_of(entry)
    assert (entry_of_line(line), line.isascii(), "\n" in line) == (entry, True, False)


EVENT = ["2026-04-01T00:00:00+00:00", "ann", "GET /x", "/x", True, "192.0.2.1", "r1", {}]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": "b1"},
        {"id": "", "events": []},
        {"id": "b" * 33, "events": []},
        {"id": "b1", "events": [EVENT[:-1]]},
        {"id": "b1", "events": [["today", *EVENT[1:]]]},
        {"id": "b1", "events": [["2026-04-01T00:00:00", *EVENT[1:]]]},
        {"id": "b1", "events": [[*EVENT[:4], "yes", *EVENT[5:]]]},
    ],
)
def test_a_payload_that_is_no_batch_is_refused(payload: dict[str, Any]):
    with pytest.raises(PayloadInvalid):
        batch_of(payload)


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"sequence": 1}'])
def test_a_line_that_is_no_entry_is_refused(line: str):
    with pytest.raises(PayloadInvalid):
        entry_of_line(line)


def refusal(address: str = "192.0.2.1", status: int = 401, after_s: float = 0, user: str = ANONYMOUS) -> Event:
    at = NOW + timedelta(seconds=after_s)
    return Event(at, user, "GET /x", "/x", success=False, source=Source(address, "r1"), facts={"status": status})


def test_a_stranger_who_tries_by_hand_is_told_of_with_each_request_and_a_flood_costs_an_entry_every_five_seconds():
    repeats = Repeats(single=3)
    assert [repeats.swallow(refusal()) for _ in range(6)] == [False] * 4 + [True] * 2
    assert [repeats.swallow(refusal(after_s=10)) for _ in range(3)] == [False] * 2 + [True]
    # However long it was quiet, three come at once; what is left is of all strangers together.
    assert [repeats.swallow(refusal(after_s=26)) for _ in range(4)] == [False] * 3 + [True]
    assert [repeats.swallow(refusal("192.0.2.2", after_s=26)) for _ in range(2)] == [False, True]
    assert [event.facts["repeated"] for event in repeats.all()] == [4, 1]


def test_what_a_stranger_repeats_within_a_minute_is_one_entry_with_its_number():
    repeats = Repeats(single=0)
    assert [repeats.swallow(refusal(after_s=second)) for second in range(5)] == [False, True, True, True, True]
    assert repeats.ended(NOW + timedelta(seconds=59)) == []
    (told,) = repeats.ended(NOW + timedelta(seconds=60))
    assert (told.at, told.facts["repeated"], told.facts["since"]) == (
        NOW + timedelta(minutes=1),
        4,
        "2026-04-01T00:00:01Z",
    )
    assert not repeats.swallow(refusal(after_s=61))


def test_addresses_and_statuses_are_told_apart_and_callers_and_successes_never_counted():
    repeats = Repeats(single=0)
    for event in (refusal(), refusal("192.0.2.2"), refusal(status=429), refusal(user="ann"), refusal(user="ann")):
        assert not repeats.swallow(event)
    for event in (refusal(), refusal("192.0.2.2"), refusal(status=429)):
        assert repeats.swallow(event)
    assert len(repeats.all()) == 3


def test_a_flood_from_very_many_addresses_does_not_fill_the_memory():
    repeats = Repeats(addresses=3, single=0)
    written = [number for number in range(100) if not repeats.swallow(refusal(f"198.51.100.{number}"))]
    assert len(written) == 4
    (told,) = repeats.all()
    assert (told.source.address, told.facts["repeated"]) == ("various", 96)


def test_nothing_counted_is_lost_when_the_next_comes_before_the_window_was_looked_at():
    repeats = Repeats(single=0)
    told = sum(not repeats.swallow(refusal(after_s=second)) for second in range(0, 300, 50))
    counted = sum(event.facts["repeated"] for event in repeats.all())
    assert told + counted == 6
