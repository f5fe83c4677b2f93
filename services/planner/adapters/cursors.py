"""Where a page of a list ends: the moment and the id of its last entry, as a text for the next request."""

import base64
import binascii
import json
from datetime import UTC, datetime

from shared.contracts.job import CursorInvalid


def to_ms(moment: datetime) -> int:
    """Return a moment as the database keeps it [ms since 1970]."""
    return round(moment.timestamp() * 1000)


def to_moment(milliseconds: int) -> datetime:
    """Return the moment of a database's milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def write_cursor(at_ms: int, entry_id: str) -> str:
    """Return the cursor of an entry."""
    return base64.urlsafe_b64encode(json.dumps([at_ms, entry_id]).encode()).decode()


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return moment [ms] and id of the entry a page ended with.

    Raises
    ------
    CursorInvalid
        If no list gave this cursor.
    """
    try:
        at_ms, entry_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise CursorInvalid from error
    # Both databases hold 64-bit integers, and PostgreSQL no text with a zero in it.
    if type(at_ms) is not int or abs(at_ms) >= 2**63:
        raise CursorInvalid
    if not isinstance(entry_id, str) or not entry_id.isascii() or not entry_id.isalnum():
        raise CursorInvalid
    return at_ms, entry_id
