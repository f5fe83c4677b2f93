"""Columns of the audit trail, read whatever somebody else may have written there.

SQLite keeps any value in any column, and PostgreSQL JSON that Python does not read. One entry that cannot be read must
not keep the others from being read, and none may look to a reader like what a search does not find: tampering has to
show, not to hide.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Boolean, ColumnElement, Connection, Dialect, Text, TypeDecorator, cast, type_coerce

from shared.http.problems import NotJson
from shared.http.strict_json import check_json


class StoredFacts(TypeDecorator[Any]):
    """JSON; what others could not read, or nobody write out again, is read as it stands there."""

    impl = JSON
    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Ask for the text: the driver of PostgreSQL would read JSON itself, and fail."""
        return type_coerce(cast(column, Text), self)

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], Any]:
        """Read the text."""
        return _read_json


class StoredFlag(TypeDecorator[Any]):
    """True or false; what is neither is read as it stands there."""

    impl = Boolean
    cache_ok = True

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], Any]:
        """Read what SQLite keeps for them; PostgreSQL keeps nothing but them."""
        return _read_flag


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Read a text that is no UTF-8 as its bytes: SQLite keeps it, and its driver would fail."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.text_factory = _read_text
    try:
        yield
    finally:
        driver.text_factory = str


def _read_json(stored: Any) -> Any:
    if not isinstance(stored, str):
        return stored
    try:
        check_json(stored.encode())
        return json.loads(stored)
    except (NotJson, ValueError, RecursionError):
        return stored


def _read_flag(stored: Any) -> Any:
    return bool(stored) if stored in {0, 1} else stored


def _read_text(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
