"""Reading the audit chain back: is every entry what was written, and where it was written?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from services.gateway.domain.audit import Action, Entry, Event, Head, digest_after
from services.gateway.domain.audit_seals import Seal, SealJudge, SealKind, Trust, seal_in

_NO_PLACES: Mapping[int, str] = {}
_SEALS = frozenset({Action.CHECKPOINT.value, Action.CUT.value})


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of reading the chain.

    Parameters
    ----------
    entries
        How many were found in order.
    first_bad_sequence, reason
        Where and how the chain breaks, if it does.
    cut_up_to
        The newest entry that was removed because of its age; 0 if none was.
    signed_up_to
        The newest entry that a checkpoint signs; what follows is held by the head alone.
    """

    intact: bool
    entries: int
    first_bad_sequence: int | None = None
    reason: str | None = None
    cut_up_to: int = 0
    signed_up_to: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a chain has been read, for whoever reads on from there.

    Parameters
    ----------
    head
        The last entry that was in order.
    last_cut
        The newest cut that an entry told of.
    unknown_key
        Key of the newest checkpoint, if it is one that nobody knows here.
    """

    head: Head = field(default_factory=Head)
    entries: int = 0
    signed_up_to: int = 0
    last_cut: Head = field(default_factory=Head)
    unknown_key: str = ""


class ChainReader:
    """Verifies a chain page by page, so that its length does not matter.

    Parameters
    ----------
    start
        Where the chain begins: the seal of its cut, `None` for a chain that was never cut.
    known
        Digests by sequence that somebody outside the database vouches for.
    progress
        Where to read on, if some of it has been read before.
    """

    def __init__(
        self,
        judge: SealJudge,
        *,
        start: Seal | None = None,
        known: Mapping[int, str] = _NO_PLACES,
        progress: Progress | None = None,
    ) -> None:
        self._judge = judge
        self._known = known
        self._start = Head() if start is None else start.head
        self.progress = Progress(self._start) if progress is None else progress
        self._broken: Verification | None = None
        if start is not None and judge.judge(start) is not Trust.GENUINE:
            self._break(start.head.sequence + 1, "the cut before it is not signed by a key that is known here")
        self._compare(self._start)

    def read(self, entries: Iterable[Entry]) -> bool:
        """Take the next entries in ascending order; false once the chain is broken."""
        for entry in entries:
            if self._broken is not None:
                break
            self._take(entry)
        return self._broken is None

    def finish(self, head: Head, ends: tuple[int, int] | None) -> Verification:
        """Compare the ends of the chain with what is kept apart.

        Parameters
        ----------
        ends
            The lowest and the highest sequence there are, `None` where there are no entries.
        """
        read, start = self.progress.head, self._start
        if self._broken is None and read != head:
            self._break(read.sequence + 1, "the newest entries are missing, or the head was changed")
        if self._broken is None and ends is not None and ends != (start.sequence + 1, head.sequence):
            first, last = ends
            self._break(first if first <= start.sequence else last, "there is an entry outside the chain")
        if self._broken is None and self.progress.last_cut != start:
            self._break(start.sequence + 1, "no entry tells that the trail was cut here")
        if self._broken is None and max(self._known, default=0) > head.sequence:
            self._break(head.sequence + 1, "entries that were known outside are missing")
        if self._broken is None and self.progress.unknown_key:
            reason = f"the newest checkpoint is signed by the key {self.progress.unknown_key}, which is not known here"
            self._break(self.progress.signed_up_to + 1, reason)
        return self.so_far()

    def so_far(self) -> Verification:
        """What was found in the part that was read."""
        return self._broken or Verification(
            intact=True,
            entries=self.progress.entries,
            cut_up_to=self._start.sequence,
            signed_up_to=self.progress.signed_up_to,
        )

    def _take(self, entry: Entry) -> None:
        before = self.progress.head
        expected = before.sequence + 1
        if entry.sequence != expected:
            self._break(expected, "an entry is missing" if entry.sequence > expected else "an entry is repeated")
        elif entry.digest != digest_after(before, entry.event):
            self._break(expected, "the entry, or the one before it, was changed")
        else:
            place = Head(entry.sequence, entry.digest)
            self.progress = replace(self.progress, head=place, entries=self.progress.entries + 1)
            if entry.event.action in _SEALS:
                self._take_seal(before, entry.event)
            self._compare(place)

    def _take_seal(self, before: Head, event: Event) -> None:
        seal = seal_in(event)
        trust = Trust.FORGED if seal is None else self._judge.judge(seal)
        here = before.sequence + 1
        if seal is None or trust is Trust.FORGED:
            self._break(here, "its signature is not genuine")
        elif seal.kind is SealKind.CUT:
            self.progress = replace(self.progress, last_cut=seal.head)
        elif seal.head != before:
            self._break(here, "the checkpoint signs another chain")
        elif trust is Trust.UNKNOWN_KEY:
            self.progress = replace(self.progress, unknown_key=seal.key_id)
        else:
            self.progress = replace(self.progress, signed_up_to=before.sequence, unknown_key="")

    def _compare(self, place: Head) -> None:
        if self._known.get(place.sequence, place.digest) != place.digest:
            self._break(place.sequence, "the chain up to here is not the one that was known outside")

    def _break(self, sequence: int, reason: str) -> None:
        if self._broken is None:
            self._broken = replace(self.so_far(), intact=False, first_bad_sequence=sequence, reason=reason)
