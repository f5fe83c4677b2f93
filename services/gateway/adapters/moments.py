"""Times as the tables keep them: whole milliseconds since 1970 [ms]."""

from datetime import UTC, datetime


def to_ms(moment: datetime) -> int:
    """Unix time of an aware moment [ms], rounded down: nothing may count for longer than it was given."""
    return int(moment.timestamp() * 1000)


def from_ms(unix_ms: int) -> datetime:
    """The aware moment, in UTC."""
    seconds, milliseconds = divmod(unix_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)


def optional_from_ms(unix_ms: int | None) -> datetime | None:
    """As `from_ms`, for a column that may be empty."""
    return None if unix_ms is None else from_ms(unix_ms)
