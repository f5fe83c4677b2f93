"""Generations below which nothing counts any longer, as far as this process has heard.

Every change that must end what was verified before is written to one history in Redis (see
`adapters/floor_watch.py`), which each process reads twice a second. A verification that is remembered counts only while
that reading is at most `FRESH_S` old: with the reading that is under way, a revocation holds everywhere within two
seconds, whatever happens to Redis, to the connection or to this process.

If a part of the history may have been missed, all that is remembered is dropped: the database has every change, as it
is made there before it is announced.
"""

from collections import OrderedDict
from collections.abc import Callable

from services.gateway.domain.credentials import LONGEST_MEMORY_S, Stamp

# Half a second less than is promised: time for a request that was let in to be on its way.
FRESH_S = 1.5


class KnownFloors:
    """The floors that were heard of during the longest life of a memory.

    Parameters
    ----------
    forget_all
        Drops every remembered verification.
    """

    def __init__(self, forget_all: Callable[[], None]) -> None:
        self._forget_all = forget_all
        self._floors: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._read_at_s: float | None = None
        # Grows with each gap in the history: a verification that began before one must not be remembered after it.
        self.era = 0

    def age_s(self, now_s: float) -> float:
        """How old the last reading of the history is [s]; infinite before the first."""
        return float("inf") if self._read_at_s is None else now_s - self._read_at_s

    def ended(self, stamps: tuple[Stamp, ...]) -> bool:
        """Whether a floor has passed one of the stamps."""
        floors = self._floors
        for stamp in stamps:
            floor = floors.get(stamp.name)
            if floor is not None and floor[0] > stamp.generation:
                return True
        return False

    def still_count(self, stamps: tuple[Stamp, ...], era: int) -> bool:
        """Whether nothing is known, or may have been missed, that ended what was verified in an era under stamps."""
        return era == self.era and not self.ended(stamps)

    def raise_to(self, stamp: Stamp, now_s: float) -> None:
        """Take note of a change; a floor never sinks."""
        known, _ = self._floors.get(stamp.name, (stamp.generation, now_s))
        self._floors[stamp.name] = max(known, stamp.generation), now_s
        self._floors.move_to_end(stamp.name)

    def have_read(self, began_at_s: float) -> None:
        """The history was read to its end, as it was at `began_at_s` at least."""
        self._read_at_s = began_at_s
        while self._floors:
            name, (_, heard_at_s) = next(iter(self._floors.items()))
            # Twice, as a verification may have begun long before it was remembered.
            if began_at_s - heard_at_s < 2 * LONGEST_MEMORY_S:
                break
            del self._floors[name]

    def have_missed(self) -> None:
        """A part of the history may be unknown: nothing that was verified before counts any longer."""
        self.era += 1
        self._forget_all()
