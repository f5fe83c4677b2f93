"""Typed reading of a wire payload: each getter returns the asked type or says which field is wrong.

Unknown fields are passed over, so that a newer sender and an older reader understand each other.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from shared.errors import JSON

E = TypeVar("E", bound=StrEnum)


class PayloadInvalid(ValueError):
    """A payload does not follow its contract; the message names the field."""


def parse(text: bytes | str) -> Mapping[str, JSON]:
    """Parse a JSON object.

    Raises
    ------
    PayloadInvalid
        If the text is not JSON, or not an object.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PayloadInvalid(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise PayloadInvalid("not a JSON object")
    return document


def text(document: Mapping[str, JSON], name: str) -> str:
    """A string that is not empty."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise PayloadInvalid(f"{name} must be a string that is not empty")
    return value


def optional_text(document: Mapping[str, JSON], name: str) -> str | None:
    """A string, or `None` where the field is null or left out."""
    return None if document.get(name) is None else text(document, name)


def whole(document: Mapping[str, JSON], name: str) -> int:
    """An integer; `true` is none."""
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise PayloadInvalid(f"{name} must be an integer")
    return value


def mapping(document: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    """A JSON object."""
    value = document.get(name)
    if not isinstance(value, Mapping):
        raise PayloadInvalid(f"{name} must be an object")
    return value


def optional_mapping(document: Mapping[str, JSON], name: str) -> Mapping[str, JSON] | None:
    """A JSON object, or `None` where the field is null or left out."""
    return None if document.get(name) is None else mapping(document, name)


def moment(document: Mapping[str, JSON], name: str) -> datetime:
    """An RFC 3339 time with its zone, as an aware time in UTC."""
    try:
        value = datetime.fromisoformat(text(document, name))
    except ValueError as error:
        raise PayloadInvalid(f"{name} must be an RFC 3339 time") from error
    if value.tzinfo is None:
        raise PayloadInvalid(f"{name} must name its time zone")
    return value.astimezone(UTC)


def optional_moment(document: Mapping[str, JSON], name: str) -> datetime | None:
    """A time as in `moment`, or `None` where the field is null or left out."""
    return None if document.get(name) is None else moment(document, name)


def member(document: Mapping[str, JSON], name: str, choices: type[E]) -> E:
    """A member of an enumeration, by its value."""
    try:
        return choices(text(document, name))
    except ValueError as error:
        raise PayloadInvalid(f"{name} must be one of {', '.join(choices)}") from error
