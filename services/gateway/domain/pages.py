"""Long lists, a page at a time."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.gateway.domain.errors import InvalidQuery

MAX_ITEMS = 200
DEFAULT_ITEMS = 50
_MAX_CURSOR = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and where the next ones begin; `None` after the last."""

    items: tuple[T, ...]
    next_cursor: str | None


def write_cursor(position: str) -> str:
    """Make a position opaque, so that nobody builds on what it holds."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The position in a cursor, `None` for the beginning.

    Raises
    ------
    InvalidQuery
        If it is not a cursor that a list gave out.
    """
    if cursor is None:
        return None
    malformed = InvalidQuery("cursor", "take the cursor from next_cursor of the page before")
    if len(cursor) > _MAX_CURSOR:
        raise malformed
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise malformed from None
    if not position.isprintable():
        raise malformed
    return position


def read_number_cursor(cursor: str | None) -> int | None:
    """The position in a cursor over numbered items.

    Raises
    ------
    InvalidQuery
        If it is not a cursor that such a list gave out.
    """
    position = read_cursor(cursor)
    if position is None:
        return None
    if not position.isascii() or not position.isdigit() or len(position) > 18:
        raise InvalidQuery("cursor", "take the cursor from next_cursor of the page before")
    return int(position)
