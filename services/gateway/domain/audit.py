"""Who did what to what: entries that hold one another in place.

Each entry carries the digest of the one before. Changing, removing or reordering an entry breaks every digest after
it; removing the newest ones shows against the head, which is kept apart. `audit_verification` reads the chain back.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from shared.clock import rfc3339
from shared.errors import JSON

FIRST_DIGEST = "0" * 64
MAX_TEXT = 512
# Who an entry names that nobody called for: the gateway itself.
SYSTEM = "system"
# Who an entry names when the caller proved nothing.
ANONYMOUS = "anonymous"
# No user gets a name that means something else in the trail.
RESERVED_NAMES = frozenset({SYSTEM, ANONYMOUS})
# What looks like an API key or a token of ours: people paste them where they do not belong.
_SECRET = re.compile(r"fut_[A-Za-z0-9]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_MASK = "***"
# A JSON list has one way to be written and says where each text ends: no two events share it.
_canonical = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii


class Action(StrEnum):
    """Acts that are written before they are answered; accesses to data are named by their method and route."""

    LOGIN = "auth.login"
    REFRESH = "auth.refresh"
    REFRESH_REUSED = "auth.refresh_reused"
    LOGOUT = "auth.logout"
    SESSION_ENDED = "auth.session_ended"
    SESSIONS_ENDED = "auth.sessions_ended"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_DELETED = "user.deleted"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105  the name of an act
    SECOND_FACTOR_BEGUN = "user.second_factor_begun"
    SECOND_FACTOR_ENROLLED = "user.second_factor_enrolled"
    SECOND_FACTOR_REMOVED = "user.second_factor_removed"
    RECOVERY_CODES_RENEWED = "user.recovery_codes_renewed"
    KEY_CREATED = "api_key.created"
    KEY_CHANGED = "api_key.changed"
    KEY_ROTATED = "api_key.rotated"
    KEY_DELETED = "api_key.deleted"
    IDENTITY_CHANGED = "identity.changed"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    JOB_CANCELLED = "job.cancelled"
    BOOTSTRAPPED = "system.bootstrapped"
    RECOVERED = "system.recovered"
    CHECKPOINT = "audit.checkpoint"
    CUT = "audit.cut"
    GAP = "audit.gap"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request came from.

    Parameters
    ----------
    address
        Of the peer, or of the client where a trusted proxy names it.
    user_agent
        As the client calls itself: to tell sessions apart by, no part of the trail.
    """

    address: str
    request_id: str
    user_agent: str = ""


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


# Stands for what somebody wrote into the table that is no entry: the chain does not hold it, and a search shows it.
UNREADABLE = Event(
    datetime(1970, 1, 1, tzinfo=UTC), SYSTEM, "audit.unreadable", "", success=False, source=Source("", "")
)


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


def append(head: Head, events: Iterable[Event]) -> list[Entry]:
    """Give events their places after the head."""
    entries = []
    for event in events:
        clipped = clip(event)
        head = Head(head.sequence + 1, digest_after(head, clipped))
        entries.append(Entry(head.sequence, clipped, head.digest))
    return entries


def clip(event: Event) -> Event:
    """Bring texts that came from outside into a form and size that every database takes."""
    return Event(
        clip_moment(event.at),
        storable(event.user),
        storable(event.action),
        storable(event.resource),
        event.success,
        Source(storable(event.source.address), storable(event.source.request_id)),
        event.facts,
    )


def clip_moment(moment: datetime) -> datetime:
    """A moment as the tables keep it, in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def storable(text: str) -> str:
    """A text as every database takes it: none takes half a surrogate pair, and PostgreSQL no zero byte.

    What looks like a key or a token is masked: the trail is read by more people than may use it.
    """
    if "fut_" in text or "eyJ" in text:
        text = _SECRET.sub(_MASK, text)
    text = text[:MAX_TEXT].replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def digest_after(before: Head, event: Event) -> str:
    """SHA-256 of an event in its place, over the digest of the place before."""
    # Member by member, which takes half as long as handing the encoder the list.
    members = (
        _quoted(before.digest),
        str(before.sequence + 1),
        _quoted(rfc3339(event.at)),
        _quoted(event.user),
        _quoted(event.action),
        _quoted(event.resource),
        "true" if event.success else "false",
        _quoted(event.source.address),
        _quoted(event.source.request_id),
        _canonical(dict(event.facts)),
    )
    return hashlib.sha256(f"[{','.join(members)}]".encode()).hexdigest()
