"""The chain of audit entries."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.audit import MAX_TEXT, Entry, Event, Head, Source, append
from services.gateway.domain.audit_seals import Seal, SealKind, Trust, event_of
from services.gateway.domain.audit_verification import ChainReader, Verification

NOW = datetime(2026, 4, 1, 12, 30, 15, 123456, tzinfo=UTC)


def event(**changes: object) -> Event:
    plain = Event(NOW, "ann", "GET /x", "/x", success=True, source=Source("192.0.2.1", "r1"), facts={"status": 200})
    return replace(plain, **changes)


CHAIN = append(Head(), [event(user=f"user-{number}") for number in range(5)])
HEAD = Head(5, CHAIN[-1].digest)


class Judge:
    """Signatures are texts: `genuine` of the key `ours`."""

    def judge(self, seal: Seal) -> Trust:
        if seal.key_id != "ours":
            return Trust.UNKNOWN_KEY
        return Trust.GENUINE if seal.signature == "genuine" else Trust.FORGED


def seal(head: Head, kind: SealKind = SealKind.CHECKPOINT, key: str = "ours", signature: str = "genuine") -> Seal:
    return Seal(kind, head, NOW, key, signature)


def verify(
    entries: list[Entry], head: Head = HEAD, *, start: Seal | None = None, known: dict[int, str] | None = None
) -> Verification:
    reader = ChainReader(Judge(), start=start, known=known or {})
    reader.read(entries)
    ends = (entries[0].sequence, entries[-1].sequence) if entries else None
    return reader.finish(head, ends)


def place(entry: Entry) -> Head:
    return Head(entry.sequence, entry.digest)


def sealed(*seals: Seal) -> list[Entry]:
    return CHAIN + append(HEAD, [event_of(seal) for seal in seals])


@given(st.text(max_size=20), st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.integers() | st.text()))
def test_a_digest_is_sha_256_of_a_json_list_that_anybody_can_write(
    user: str, resource: str, facts: dict[str, int | str]
):
    entry = append(HEAD, [event(user=user, resource=resource, facts=facts)])[0]
    kept = entry.event
    members = [HEAD.digest, 6, "2026-04-01T12:30:15.123Z", kept.user, "GET /x", kept.resource, True, "192.0.2.1", "r1"]
    text = json.dumps([*members, facts], sort_keys=True, separators=(",", ":"))
    assert entry.digest == hashlib.sha256(text.encode()).hexdigest()


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
    for ends, sequence in (((1, 9), 9), ((-3, 5), -3)):
        reader = ChainReader(Judge())
        reader.read(CHAIN)
        assert reader.finish(HEAD, ends).first_bad_sequence == sequence


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


def test_a_checkpoint_signs_everything_before_it():
    chain = sealed(seal(HEAD))
    assert verify(chain, place(chain[-1])) == Verification(intact=True, entries=6, signed_up_to=5)


@pytest.mark.parametrize(
    ("checkpoint", "reason"),
    [
        (seal(HEAD, signature="made up"), "not genuine"),
        (seal(Head(4, CHAIN[3].digest)), "another chain"),
        (seal(Head(5, "f" * 64)), "another chain"),
        (seal(HEAD, key="theirs"), "the key theirs"),
        (seal(HEAD, SealKind.CUT), "cut here"),
    ],
)
def test_a_checkpoint_that_signs_something_else_is_found(checkpoint: Seal, reason: str):
    chain = sealed(checkpoint)
    found = verify(chain, place(chain[-1]))
    assert (found.intact, reason in (found.reason or "")) == (False, True)


def test_a_checkpoint_of_a_key_that_is_gone_is_covered_by_a_later_one():
    chain = sealed(seal(HEAD, key="former"))
    chain += append(place(chain[-1]), [event_of(seal(place(chain[-1])))])
    found = verify(chain, place(chain[-1]))
    assert (found.intact, found.signed_up_to) == (True, 6)


def test_a_chain_that_was_cut_goes_on_from_the_sealed_place():
    cut = seal(Head(2, CHAIN[1].digest), SealKind.CUT)
    chain = sealed(cut)
    found = verify(chain[2:], place(chain[-1]), start=cut)
    assert (found.intact, found.entries, found.cut_up_to) == (True, 4, 2)


@pytest.mark.parametrize("start", [None, Head(3, CHAIN[2].digest), Head(2, "f" * 64)])
def test_a_beginning_taken_away_without_the_seal_of_that_place_is_found(start: Head | None):
    chain = sealed(seal(Head(2, CHAIN[1].digest), SealKind.CUT))
    moved = None if start is None else seal(start, SealKind.CUT, signature="made up")
    assert not verify(chain[2:], place(chain[-1]), start=moved).intact


def test_a_genuine_seal_of_a_cut_does_not_hide_that_more_was_taken_away():
    cut = seal(Head(2, CHAIN[1].digest), SealKind.CUT)
    chain = sealed(cut)
    assert verify(chain[3:], place(chain[-1]), start=cut).first_bad_sequence == 3


def test_a_cut_that_no_entry_tells_of_is_found():
    assert not verify(CHAIN[2:], start=seal(Head(2, CHAIN[1].digest), SealKind.CUT)).intact


def test_a_rewritten_chain_differs_from_what_is_known_outside():
    forged = append(Head(), [event(user="eve") for _ in range(5)])
    assert verify(forged, place(forged[-1])).intact
    found = verify(forged, place(forged[-1]), known={4: CHAIN[3].digest})
    assert (found.intact, found.first_bad_sequence) == (False, 4)


def test_an_older_copy_lacks_what_is_known_outside():
    older = CHAIN[:3]
    assert verify(older, place(older[-1])).intact
    assert verify(older, place(older[-1]), known={5: HEAD.digest}).first_bad_sequence == 4


@pytest.mark.parametrize(
    "secret",
    ["fut_0123456789abcdefABCDEF0123456789", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"],
)
def test_keys_and_tokens_in_a_path_are_masked(secret: str):
    (entry,) = append(Head(), [event(user=secret, resource=f"/api/v1/twin/models/{secret}/quality")])
    assert (entry.event.user, entry.event.resource) == ("***", "/api/v1/twin/models/***/quality")
