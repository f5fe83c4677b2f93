"""A stranger who knocks a thousand times a second: told once at once, and then counted.

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
_VARIOUS = "various"


@dataclass(slots=True)
class _Window:
    ends_at: datetime
    repeated: int = 0
    first: Event | None = None


class Repeats:
    """Counts refusals of strangers by address and status."""

    def __init__(self, window: timedelta = WINDOW, addresses: int = ADDRESSES) -> None:
        self._window = window
        self._addresses = addresses
        self._windows: dict[tuple[str, JSON], _Window] = {}

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
        window.repeated += 1
        window.first = window.first or event
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
