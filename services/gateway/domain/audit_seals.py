"""Places in the audit chain that the gateway signs: who rewrites the chain cannot sign it again.

A checkpoint is an entry of the chain that signs the place before its own, and with it everything up to there. A cut is
where the chain begins after its oldest entries were removed. Both are exported with the other entries, so that a chain
that was rewritten, or put back to an older state, differs from what is known outside.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.gateway.domain.audit import SYSTEM, Action, Event, Head, Source
from shared.clock import rfc3339
from shared.errors import JSON

_PURPOSE = "futago audit trail"


class SealKind(StrEnum):
    """What a signature says about a place."""

    CHECKPOINT = "checkpoint"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Seal:
    """A signed place in the chain.

    Parameters
    ----------
    key_id
        Names the key: the thumbprint of RFC 7638.
    signature
        ES256 over `message`, in base64url.
    """

    kind: SealKind
    head: Head
    at: datetime
    key_id: str
    signature: str


class Trust(StrEnum):
    """What a signature is worth."""

    GENUINE = "genuine"
    FORGED = "forged"
    UNKNOWN_KEY = "unknown_key"


class Sealer(Protocol):
    """Signs places."""

    def seal(self, kind: SealKind, head: Head, at: datetime) -> Seal:
        """Sign a place."""
        ...


class SealJudge(Protocol):
    """Knows the public keys."""

    def judge(self, seal: Seal) -> Trust:
        """Check a signature."""
        ...


def message(kind: SealKind, head: Head, at: datetime) -> bytes:
    """What is signed: a JSON list, so that no signature fits two places or purposes."""
    return json.dumps(
        [_PURPOSE, kind.value, head.sequence, head.digest, rfc3339(at)], ensure_ascii=True, separators=(",", ":")
    ).encode()


def event_of(seal: Seal, facts: Mapping[str, JSON] | None = None) -> Event:
    """The entry that tells of a seal."""
    action = Action.CHECKPOINT if seal.kind is SealKind.CHECKPOINT else Action.CUT
    told: dict[str, JSON] = {
        "sequence": seal.head.sequence,
        "digest": seal.head.digest,
        "key": seal.key_id,
        "signature": seal.signature,
    }
    source = Source("local", action.value)
    return Event(seal.at, SYSTEM, action.value, "audit", success=True, source=source, facts={**(facts or {}), **told})


def seal_in(event: Event) -> Seal | None:
    """The seal that an entry tells of; `None` where its facts are not those of one."""
    kind = SealKind.CHECKPOINT if event.action == Action.CHECKPOINT.value else SealKind.CUT
    match event.facts:
        case {"sequence": int(sequence), "digest": str(digest), "key": str(key_id), "signature": str(signature)}:
            return Seal(kind, Head(sequence, digest), event.at, key_id, signature)
        case _:
            return None
