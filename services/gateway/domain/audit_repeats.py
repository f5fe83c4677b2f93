"""A stranger who knocks a thousand times a second: told at first, and then counted.

Only what nobody proved to have done is counted together; an access of a verified caller is always an entry of its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.gateway.domain.audit import ANONYMOUS, Event, Source
from shared.clock import rfc3339
from shared.errors import JSON

WINDOW = timedelta(minutes=1)
# Addresses that are told apart within a window; a flood from more of them shares one entry a minute.
ADDRESSES = 1_000
# Refusals that are entries of their own although their address has one: whoever tries a door by hand is told of with
# each request, and a flood that goes on for a day costs the disk a few megabytes.
SINGLE = 1_000
SINGLE_PER_S = 0.2
_VARIOUS = "various"


@dataclass(slots=True)
class _Window:
    ends_at: datetime
    repeated: int = 0
    first: Event | None = None


class Repeats:
    """Counts refusals of strangers by address and status.

    Parameters
    ----------
    single
        How many of those that repeat one are not counted, if they come at once; of all strangers together.
    """

    def __init__(self, window: timedelta = WINDOW, addresses: int = ADDRESSES, single: int = SINGLE) -> None:
        self._window = window
        self._addresses = addresses
        self._windows: dict[tuple[str, JSON], _Window] = {}
        self._single = single
        self._left = float(single)
        self._left_at: datetime | None = None

    def swallow(self, event: Event) -> bool:
        """Whether this event was counted with one that is written already, and so is not to be written itself."""
        if event.user != ANONYMOUS or event.success:
            return False
        address = event.source.address
        key = address, event.facts.get("status")
        window = self._windows.get(key)
        if window is None and len(self._windows) >= self._addresses:
            key = _VARIOUS, event.facts.get("status")
            window = self._windows.get(key)
        if window is None or (event.at >= window.ends_at and window.first is None):
            self._windows[key] = _Window(event.at + self._window)
            return False
        if self._take_single(event.at):
            return False
        window.repeated += 1
        window.first = window.first or event
        return True

    def _take_single(self, at: datetime) -> bool:
        passed_s = 0.0 if self._left_at is None else max(0.0, (at - self._left_at).total_seconds())
        self._left, self._left_at = min(self._single, self._left + passed_s * SINGLE_PER_S), at
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def ended(self, now: datetime) -> list[Event]:
        """An entry for each window that is over and counted something."""
        over = [key for key, window in self._windows.items() if now >= window.ends_at]
        return self._close(over)

    def all(self) -> list[Event]:
        """An entry for each window that counted something, at the end of the process."""
        return self._close(list(self._windows))

    def _close(self, keys: list[tuple[str, JSON]]) -> list[Event]:
        told = []
        for key in keys:
            window = self._windows.pop(key)
            if window.first is not None:
                first = window.first
                facts = {**first.facts, "repeated": window.repeated, "since": rfc3339(first.at)}
                source = Source(key[0], first.source.request_id)
                told.append(replace(first, at=window.ends_at, source=source, facts=facts))
        return told
