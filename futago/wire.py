"""Python values made ready for JSON, and JSON read back into plain objects."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeAlias

from futago.errors import InvalidInput, UnexpectedAnswer

JsonObject: TypeAlias = dict[str, Any]
"""An object as the server sent it: which fields it has is the server's to say, so its values have no narrower type."""


def encode(value: object) -> bytes:
    """Write a value as JSON; arrays and times are turned into what the API takes.

    Anything with a `tolist` method (a numpy array or scalar, a pandas series) becomes nested lists and numbers, an
    aware time becomes RFC 3339.

    Raises
    ------
    InvalidInput
        If a value is NaN or infinite, a time lacks its zone, or a type has no place in JSON.

    Examples
    --------
    >>> encode({"rows": [(1, 2.5)]})
    b'{"rows":[[1,2.5]]}'
    """
    try:
        return json.dumps(_plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the request cannot be written as JSON: {error}") from error


def decode_object(content: bytes) -> JsonObject:
    """Read an answer that has to be a JSON object.

    Raises
    ------
    UnexpectedAnswer
        If it is anything else, such as the page of some other program that listens on that port.
    """
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswer("the server did not answer with JSON; is this the address of a gateway?") from error
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(f"expected a JSON object, the server sent {type(answer).__name__}")
    return answer


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no time zone")
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    to_list = getattr(value, "tolist", None)
    return _plain(to_list()) if callable(to_list) else value
