"""Long lists, a page at a time."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.gateway.domain.errors import InvalidQuery

MAX_ITEMS = 200
DEFAULT_ITEMS = 50
_MAX_CURSOR = 512
# Both databases hold 64-bit integers: a longer number would be an error of the driver.
_MAX_DIGITS = 18

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
    if len(cursor) > _MAX_CURSOR:
        raise _malformed()
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise _malformed() from None
    if not position.isprintable():
        raise _malformed()
    return position


def read_number_cursor(cursor: str | None) -> int | None:
    """The position in a cursor over numbered items.

    Raises
    ------
    InvalidQuery
        If it is not a cursor that such a list gave out.
    """
    position = read_cursor(cursor)
    return None if position is None else _number(position)


def write_dated_cursor(at_ms: int, item_id: str) -> str:
    """A cursor over items by their time [ms since 1970], and by their id where that is the same."""
    return write_cursor(f"{at_ms} {item_id}")


def read_dated_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Time [ms since 1970] and id in a cursor over dated items.

    Raises
    ------
    InvalidQuery
        If it is not a cursor that such a list gave out.
    """
    position = read_cursor(cursor)
    if position is None:
        return None
    at_ms, _, item_id = position.partition(" ")
    return _number(at_ms), item_id


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise _malformed()
    return int(text)


def _malformed() -> InvalidQuery:
    return InvalidQuery("cursor", "take the cursor from next_cursor of the page before")
