"""A column of facts about an entry of the audit trail, read whatever somebody else may have written there."""

import json
from collections.abc import Callable
from typing import Any, Never

from sqlalchemy import JSON, Dialect, TypeDecorator


class StoredFacts(TypeDecorator[Any]):
    """JSON; what is none is read as it stands there.

    SQLite keeps any value in any column. An entry that cannot be read must not keep the whole page it stands on from
    being read: tampering has to show, not to hide.
    """

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read text; PostgreSQL keeps nothing but JSON, and its driver reads that."""
        return None if super().result_processor(dialect, coltype) is None else _read


def _read(stored: Any) -> Any:
    try:
        return json.loads(stored, parse_constant=_refuse)
    except (ValueError, TypeError, RecursionError):
        return stored


def _refuse(number: str) -> Never:
    raise ValueError(f"{number} is no JSON")
