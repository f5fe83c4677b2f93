"""A page of those rows that a caller may see, however many others lie between them."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Row, Select

from services.gateway.domain.pages import MAX_ITEMS, Page, write_cursor

T = TypeVar("T")


def shown_page(
    connection: Connection,
    query: Select[Any],
    key: Column[str],
    *,
    after: str | None,
    limit: int,
    show: Callable[[Row[Any]], T | None],
) -> Page[T]:
    """Some items in the order of their key.

    The cursor names the last item of the page, which the caller has seen, and never one that is not shown.

    Parameters
    ----------
    after
        Key of the last item of the page before; `None` for the beginning.
    show
        What is shown of a row; `None` for nothing at all.
    """
    found: list[tuple[str, T]] = []
    while len(found) <= limit:
        part = query if after is None else query.where(key > after)
        rows = connection.execute(part.order_by(key).limit(MAX_ITEMS + 1)).all()
        found += [(getattr(row, key.key), item) for row in rows if (item := show(row)) is not None]
        if len(rows) <= MAX_ITEMS:
            break
        after = getattr(rows[-1], key.key)
    items = tuple(item for _, item in found[:limit])
    return Page(items, write_cursor(found[limit - 1][0]) if len(found) > limit else None)
