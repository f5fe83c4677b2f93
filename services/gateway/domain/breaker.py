"""Stop asking what does not answer, a service or Redis, and try again soon."""

from enum import StrEnum


class State(StrEnum):
    """Closed lets requests pass, open refuses them, half-open lets one through to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One for each thing that may be away; counts failures to get any answer, never answers that tell of one.

    Parameters
    ----------
    failures_to_open
        Failures in a row.
    open_s
        Pause before one request may try again [s].
    """

    def __init__(self, *, failures_to_open: int, open_s: float) -> None:
        self._failures_to_open = failures_to_open
        self._open_s = open_s
        self._failures = 0
        self._opened_at_s: float | None = None
        self._probe_since_s: float | None = None

    def state(self, now_s: float) -> State:
        """What the next request would meet."""
        if self._opened_at_s is None:
            return State.CLOSED
        return State.OPEN if now_s - self._opened_at_s < self._open_s else State.HALF_OPEN

    def admit(self, now_s: float) -> float:
        """Let a request try, or say how long to wait [s]; 0 means it may."""
        if self._opened_at_s is None:
            return 0.0
        waited_s = now_s - self._opened_at_s
        if waited_s < self._open_s:
            return self._open_s - waited_s
        # A probe that never came back (its caller left) must not keep the door shut for ever.
        if self._probe_since_s is not None and now_s - self._probe_since_s < self._open_s:
            return self._open_s - (now_s - self._probe_since_s)
        self._probe_since_s = now_s
        return 0.0

    def succeeded(self) -> None:
        """There was an answer, whatever it said."""
        self._failures = 0
        self._opened_at_s = self._probe_since_s = None

    def failed(self, now_s: float) -> None:
        """There was none: it could not be reached, or went away in the middle."""
        self._failures += 1
        if self._failures >= self._failures_to_open or self._probe_since_s is not None:
            self._opened_at_s = now_s
            self._probe_since_s = None
