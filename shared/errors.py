"""Kinds of failure a caller can act on, without a word about HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


class Kind(StrEnum):
    """What went wrong, in words every edge can translate."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input; an error lists all of them at once.

    Parameters
    ----------
    pointer
        JSON pointer (RFC 6901) into the body, `""` for the whole of it.
    detail
        A sentence for the person who sent it.
    facts
        Machine-readable context, such as the valid range.
    """

    pointer: str
    detail: str
    facts: Mapping[str, JSON] = field(default_factory=dict)


class AppError(Exception):
    """Base of every error meant for a caller; anything else is a bug and stays one.

    A subclass sets `kind` (what to do about it) and `code` (stable, `<part>.<name>`).
    """

    kind: ClassVar[Kind]
    code: ClassVar[str]

    def __init__(
        self, message: str, *, faults: Sequence[Fault] = (), retry_after_s: float | None = None, **facts: JSON
    ) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)
        self.retry_after_s = retry_after_s
        self.facts: Mapping[str, JSON] = facts
