"""Refresh tokens: each is good for one use, and all that grew from one login fall together.

A token that is used a second time was copied: either its thief or its owner now holds the successor, and nobody can
tell which. So the whole family ends and the owner logs in again (RFC 9700, section 4.14.2; OWASP ASVS 5, 10.4.5).
There is no grace for an answer that was lost on its way: a thief would have it too.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "futr_"
ENTROPY_BYTES = 32
_TOKEN = re.compile(r"futr_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Family:
    """All refresh tokens that grew from one login; its id is the session of the access tokens.

    Parameters
    ----------
    ends_at
        Absolute end: no rotation extends it.
    refreshed_at
        When its newest token was spent for the next; `None` until then.
    address, user_agent
        Where the login came from, clipped: for people who look for a session that is not theirs.
    """

    family_id: str
    username: str
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    refreshed_at: datetime | None = None
    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One token as it is stored: only the SHA-256 of its text."""

    digest: bytes
    family_id: str
    expires_at: datetime
    spent_at: datetime | None


class Verdict(StrEnum):
    """What to do with a refresh token that was presented."""

    ROTATE = "rotate"
    REFUSE = "refuse"
    REVOKE_FAMILY = "revoke_family"


def judge(token: RefreshToken, family: Family, now: datetime) -> Verdict:
    """Decide about a token that was found.

    Reuse is judged before expiry: a spent token that comes back late is still a sign of theft.
    """
    if family.revoked_at is not None:
        return Verdict.REFUSE
    if token.spent_at is not None:
        return Verdict.REVOKE_FAMILY
    if now >= token.expires_at or now >= family.ends_at:
        return Verdict.REFUSE
    return Verdict.ROTATE


def write_token(entropy: bytes) -> str:
    """Text of a new token from random bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a refresh token is made of {ENTROPY_BYTES} random bytes")
    return PREFIX + entropy.hex()


def is_token(text: str) -> bool:
    """Whether a text can be a refresh token at all; anything else is not worth a look into the database."""
    return _TOKEN.fullmatch(text) is not None


def digest_of(text: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).digest()
