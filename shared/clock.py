"""Time as an argument, so that a test can set it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the code needs to know about time."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """Format an aware time as RFC 3339 in UTC; milliseconds only where there are any.

    Raises
    ------
    ValueError
        If `moment` has no time zone: guessing one would shift plant data.

    Examples
    --------
    >>> rfc3339(datetime(2026, 4, 1, tzinfo=UTC))
    '2026-04-01T00:00:00Z'
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone cannot be written as RFC 3339")
    utc = moment.astimezone(UTC)
    precision = "milliseconds" if utc.microsecond // 1000 else "seconds"
    return utc.isoformat(timespec=precision).removesuffix("+00:00") + "Z"
