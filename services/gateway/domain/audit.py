"""Who did what to what: entries that hold one another in place.

Each entry carries the digest of the one before. Changing, removing or reordering an entry breaks every digest after
it; removing the newest ones shows against the head, which is kept apart.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.clock import rfc3339
from shared.errors import JSON

FIRST_DIGEST = "0" * 64
MAX_TEXT = 512


class Action(StrEnum):
    """Acts that are written before they are answered; accesses to data are named by their method and route."""

    LOGIN = "auth.login"
    REFRESH = "auth.refresh"
    REFRESH_REUSED = "auth.refresh_reused"
    LOGOUT = "auth.logout"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_DELETED = "user.deleted"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105  the name of an act
    KEY_CREATED = "api_key.created"
    KEY_CHANGED = "api_key.changed"
    KEY_ROTATED = "api_key.rotated"
    KEY_DELETED = "api_key.deleted"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    JOB_CANCELLED = "job.cancelled"
    BOOTSTRAPPED = "system.bootstrapped"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request came from.

    Parameters
    ----------
    address
        Of the peer, or of the client where a trusted proxy names it.
    """

    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, before it has a place in the chain.

    Parameters
    ----------
    user
        Who did it, as far as was proved; for a failed login the name that was tried.
    action
        One of `Action`, or method and route pattern of an access.
    resource
        What it was done to: the path, or the name of a user or key.
    facts
        What else tells the story; never a secret.
    """

    at: datetime
    user: str
    action: str
    resource: str
    success: bool
    source: Source
    facts: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place; sequences start at 1 and have no gaps."""

    sequence: int
    event: Event
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry's place in the chain; of an empty chain, the place before the first."""

    sequence: int = 0
    digest: str = FIRST_DIGEST


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of reading the chain.

    Parameters
    ----------
    entries
        How many were found in order.
    first_bad_sequence, reason
        Where and how the chain breaks, if it does.
    """

    intact: bool
    entries: int
    first_bad_sequence: int | None = None
    reason: str | None = None


def append(head: Head, events: Iterable[Event]) -> list[Entry]:
    """Give events their places after the head."""
    entries = []
    for event in events:
        clipped = clip(event)
        head = Head(head.sequence + 1, _digest(head, clipped))
        entries.append(Entry(head.sequence, clipped, head.digest))
    return entries


class ChainReader:
    """Verifies a chain page by page, so that its length does not matter."""

    def __init__(self) -> None:
        self._head = Head()
        self._broken: Verification | None = None

    def read(self, entries: Iterable[Entry]) -> bool:
        """Take the next entries in ascending order; false once the chain is broken."""
        for entry in entries:
            if self._broken is not None:
                break
            expected = self._head.sequence + 1
            if entry.sequence != expected:
                self._break(expected, "an entry is missing" if entry.sequence > expected else "an entry is repeated")
            elif entry.digest != _digest(self._head, entry.event):
                self._break(expected, "the entry, or the one before it, was changed")
            else:
                self._head = Head(entry.sequence, entry.digest)
        return self._broken is None

    def finish(self, head: Head, ends: tuple[int, int] | None) -> Verification:
        """Compare the end of the chain with the head that was kept apart.

        Parameters
        ----------
        ends
            The lowest and the highest sequence there are, `None` where there are no entries.
        """
        if self._broken is None and self._head != head:
            self._break(self._head.sequence + 1, "the newest entries are missing, or the head was changed")
        if self._broken is None and ends is not None and ends != (1, head.sequence):
            self._break(ends[0] if ends[0] < 1 else ends[1], "there is an entry outside the chain")
        return self._broken or Verification(intact=True, entries=self._head.sequence)

    def _break(self, sequence: int, reason: str) -> None:
        self._broken = Verification(
            intact=False, entries=self._head.sequence, first_bad_sequence=sequence, reason=reason
        )


def clip(event: Event) -> Event:
    """Bring texts that came from outside into a form and size that every database takes."""
    return Event(
        event.at.replace(microsecond=event.at.microsecond // 1000 * 1000),
        storable(event.user),
        storable(event.action),
        storable(event.resource),
        event.success,
        Source(storable(event.source.address), storable(event.source.request_id)),
        event.facts,
    )


def storable(text: str) -> str:
    """A text as every database takes it: none takes half a surrogate pair, and PostgreSQL no zero byte."""
    return text[:MAX_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _digest(before: Head, event: Event) -> str:
    # A JSON list has one way to be written and says where each text ends: no two events share it.
    content = json.dumps(
        [
            before.digest,
            before.sequence + 1,
            rfc3339(event.at),
            event.user,
            event.action,
            event.resource,
            event.success,
            event.source.address,
            event.source.request_id,
            dict(event.facts),
        ],
        ensure_ascii=True,
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()
