"""Second factors: a code from an authenticator app (TOTP, RFC 6238), or one of ten recovery codes.

The secret is shared with the app once, at enrolment. A code counts for its time step and the ones beside it, and only
once (RFC 6238, section 5.2). Recovery codes stand in for a lost app; each is good for one use.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.gateway.domain.delegation import Check
from services.gateway.domain.users import User

SECRET_BYTES = 20
"""RFC 4226, section 4, R6: 160 bits."""
ENROLMENT_LIFE = timedelta(minutes=15)
"""How long a secret that was shown waits for its first code."""
RECOVERY_CODES = 10
# 120 bits: strong enough that a plain hash keeps it (OWASP ASVS 5, 6.5.2, asks for 112).
RECOVERY_BYTES = 15
_GROUP = 4
_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{24}")
_SEPARATORS = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor as it is stored.

    Parameters
    ----------
    sealed_secret
        Encrypted with a key of the deployment.
    confirmed_at
        `None` until its user has shown a code.
    last_step
        Newest time step whose code was used.
    """

    username: str
    sealed_secret: bytes = field(repr=False)
    begun_at: datetime
    confirmed_at: datetime | None = None
    last_step: int | None = None


class FactorStore(Protocol):
    """Keeps second factors; each method is one transaction."""

    async def get(self, username: str) -> Factor:
        """Raise `SecondFactorMissing` if there is none, confirmed or not."""
        ...

    async def begin(self, factor: Factor) -> None:
        """Keep a new one in place of one that was not confirmed; raise `SecondFactorEnrolled` if one was."""
        ...

    async def confirm(
        self, factor: Factor, *, step: int, digests: tuple[bytes, ...], now: datetime, kept_session: str | None
    ) -> User:
        """Make it count, with its recovery codes; raise the user's generation and end all sessions but one.

        Raise `SecondFactorMissing` if it is another by now.
        """
        ...

    async def use_step(self, username: str, step: int) -> bool:
        """Spend a time step; false if it or a later one was spent before."""
        ...

    async def use_recovery_code(self, username: str, digest: bytes) -> bool:
        """Spend a recovery code; false if there is none such."""
        ...

    async def replace_recovery_codes(self, username: str, digests: tuple[bytes, ...]) -> None:
        """Put new ones in place of all there are; raise `SecondFactorMissing` without a confirmed factor."""
        ...

    async def remove(self, username: str, *, now: datetime, kept_session: str | None, check: Check) -> User:
        """Remove factor and codes, raise the user's generation and end all sessions but one.

        Raise `SecondFactorMissing` if there is nothing to remove; nothing is changed where `check` raises.
        """
        ...


class Seals(Protocol):
    """Encrypts what has to be read again."""

    def seal(self, secret: bytes, owner: str) -> bytes:
        """Encrypt for this owner."""
        ...

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt; raise `SecondFactorUnreadable` if that cannot be."""
        ...


class AppCodes(Protocol):
    """Computes what authenticator apps compute."""

    def shown(self, secret: bytes) -> str:
        """The secret as it is typed into an app."""
        ...

    def uri(self, secret: bytes, username: str) -> str:
        """The secret as an app reads it from a picture."""
        ...

    def step_of(self, code: str, secret: bytes, now: datetime) -> int | None:
        """The time step that a code belongs to, if it is near enough to now."""
        ...


def is_app_code(text: str) -> bool:
    """Whether a text has the form of an app's code; everything else is taken for a recovery code."""
    return _TOTP.fullmatch(_SEPARATORS.sub("", text)) is not None


def app_code(text: str) -> str:
    """The digits of an app's code, however they were grouped."""
    return _SEPARATORS.sub("", text)


def new_recovery_codes(entropy: Callable[[int], bytes]) -> tuple[str, ...]:
    """Make recovery codes.

    Examples
    --------
    >>> new_recovery_codes(lambda size: bytes(size))[0]
    'AAAA-AAAA-AAAA-AAAA-AAAA-AAAA'
    """
    return tuple(_grouped(entropy(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES))


def recovery_digest(text: str) -> bytes | None:
    """What is stored of a recovery code, whatever its case and grouping; `None` for a text that cannot be one."""
    compact = _SEPARATORS.sub("", text).upper()
    if _RECOVERY.fullmatch(compact) is None:
        return None
    return hashlib.sha256(compact.encode("ascii")).digest()


def _grouped(random: bytes) -> str:
    text = base64.b32encode(random).decode("ascii")
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
