"""Logging in, staying logged in, and logging out."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.gateway.domain import refresh
from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.credentials import Stamp, UserReader, Verified, session_stamp
from services.gateway.domain.errors import RefreshRejected, UserMissing, WrongCredentials
from services.gateway.domain.passwords import is_checkable
from services.gateway.domain.refresh import Family, RefreshToken, Verdict
from services.gateway.domain.users import User, is_username
from shared.clock import Clock

# `(size in bytes) -> random bytes`, the system's source outside tests.
Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is issued counts.

    Parameters
    ----------
    refresh_idle
        A refresh token that is not used for so long is void.
    session
        Absolute end of a session, however often it is refreshed.
    """

    access: timedelta
    refresh_idle: timedelta
    session: timedelta


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login or a refresh gives out."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int


class PasswordHasher(Protocol):
    """Slow on purpose, and off the event loop."""

    async def verify(self, password: str, password_hash: str) -> bool:
        """Whether the password belongs to the hash."""
        ...

    async def verify_nobody(self) -> None:
        """Take as long as `verify` for a user who does not exist."""
        ...


class TokenIssuer(Protocol):
    """Signs access tokens."""

    def issue(self, claims: AccessClaims) -> str:
        """Sign the claims."""
        ...


class FamilyStore(Protocol):
    """Keeps refresh tokens; each method is one transaction."""

    async def open(self, family: Family, token: RefreshToken, *, generation: int) -> None:
        """Keep a new family and its first token; raise `WrongCredentials` if the user's generation is another now."""
        ...

    async def rotate(
        self, digest: bytes, successor_digest: bytes, *, now: datetime, idle: timedelta
    ) -> tuple[Verdict, Family]:
        """Judge the token and do what the verdict says; raise `RefreshRejected` if there is no such token."""
        ...

    async def revoke(self, family_id: str, now: datetime) -> None:
        """End a family."""
        ...


class Floors(Protocol):
    """Ends what was verified before, on every replica."""

    async def require_reachable(self) -> None:
        """Raise `RedisAway` now, rather than after half of a change was made."""
        ...

    async def raise_to(self, *stamps: Stamp) -> None:
        """Let nothing below these generations count any longer."""
        ...


class LoginThrottle(Protocol):
    """Counts attempts to log in."""

    async def admit(self, username: str, address: str) -> None:
        """Raise `TooManyAttempts` if there were too many."""
        ...

    async def forgive(self, username: str, address: str) -> None:
        """Forget the attempts as this user from this address: the last one was right."""
        ...


class AuditTrail(Protocol):
    """Writes security events before they are answered."""

    async def record(self, event: Event) -> None:
        """Return when the event is in the chain."""
        ...


class Sessions:
    """The life of a session, from a password to the logout."""

    def __init__(
        self,
        *,
        users: UserReader,
        hasher: PasswordHasher,
        issuer: TokenIssuer,
        families: FamilyStore,
        floors: Floors,
        throttle: LoginThrottle,
        audit: AuditTrail,
        clock: Clock,
        entropy: Entropy,
        lifetimes: Lifetimes,
    ) -> None:
        self._users = users
        self._hasher = hasher
        self._issuer = issuer
        self._families = families
        self._floors = floors
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._entropy = entropy
        self._lifetimes = lifetimes

    async def login(self, username: str, password: str, source: Source) -> TokenPair:
        """Open a session for a user who knows the password.

        Raises
        ------
        WrongCredentials
            If the user does not exist, is disabled, or the password is wrong: the answer does not tell which, and
            neither does the time it takes.
        TooManyAttempts
            If too many attempts came as this user from this address, or from this address at all.
        """
        await self._throttle.admit(username, source.address)
        try:
            user = await self._verified_user(username, password)
            pair = await self._open(user)
        except WrongCredentials:
            await self._record(Action.LOGIN, username, username, source, success=False)
            raise
        await self._throttle.forgive(username, source.address)
        await self._record(Action.LOGIN, user.username, user.username, source, success=True)
        return pair

    async def refresh(self, text: str, source: Source) -> TokenPair:
        """Spend a refresh token for a new pair.

        Raises
        ------
        RefreshRejected
            If the token cannot be used. If it was used before, its whole family ends, access tokens included.
        """
        await self._floors.require_reachable()
        if not refresh.is_token(text):
            raise RefreshRejected
        now = self._clock.now()
        successor = refresh.write_token(self._entropy(refresh.ENTROPY_BYTES))
        verdict, family = await self._families.rotate(
            refresh.digest_of(text), refresh.digest_of(successor), now=now, idle=self._lifetimes.refresh_idle
        )
        if verdict is Verdict.REVOKE_FAMILY or family.revoked_at is not None:
            # Also for a family that had ended before: whoever ended it may not have got as far as this.
            await self._floors.raise_to(session_stamp(family.family_id, 1))
        if verdict is Verdict.REVOKE_FAMILY:
            await self._record(Action.REFRESH_REUSED, family.username, family.family_id, source, success=False)
        if verdict is not Verdict.ROTATE:
            raise RefreshRejected
        user = await self._active_user(family)
        await self._record(Action.REFRESH, user.username, family.family_id, source, success=True)
        return self._pair(user, family.family_id, successor, now)

    async def logout(self, caller: Verified, source: Source) -> None:
        """End the caller's session; with an API key there is none, and nothing happens."""
        if caller.session_id is None:
            return
        await self._floors.require_reachable()
        await self._families.revoke(caller.session_id, self._clock.now())
        await self._floors.raise_to(session_stamp(caller.session_id, 1))
        await self._record(Action.LOGOUT, caller.principal.subject, caller.session_id, source, success=True)

    async def _verified_user(self, username: str, password: str) -> User:
        if not is_username(username) or not is_checkable(password):
            await self._hasher.verify_nobody()
            raise WrongCredentials
        try:
            user = await self._users.get(username)
        except UserMissing:
            await self._hasher.verify_nobody()
            raise WrongCredentials from None
        if not await self._hasher.verify(password, user.password_hash) or not user.active:
            raise WrongCredentials
        return user

    async def _open(self, user: User) -> TokenPair:
        now = self._clock.now()
        family = Family(uuid.UUID(bytes=self._entropy(16)).hex, user.username, now, now + self._lifetimes.session, None)
        text = refresh.write_token(self._entropy(refresh.ENTROPY_BYTES))
        token = RefreshToken(refresh.digest_of(text), family.family_id, now + self._lifetimes.refresh_idle, None)
        # Hashing takes its time: a password that was changed meanwhile must not open a session that outlives it.
        await self._families.open(family, token, generation=user.generation)
        return self._pair(user, family.family_id, text, now)

    async def _active_user(self, family: Family) -> User:
        try:
            user = await self._users.get(family.username)
        except UserMissing:
            raise RefreshRejected from None
        if not user.active:
            raise RefreshRejected
        return user

    def _pair(self, user: User, session_id: str, refresh_text: str, now: datetime) -> TokenPair:
        expires_at = now + self._lifetimes.access
        claims = AccessClaims(user.username, session_id, user.generation, now, expires_at)
        return TokenPair(self._issuer.issue(claims), refresh_text, int(self._lifetimes.access.total_seconds()))

    async def _record(self, action: Action, user: str, resource: str, source: Source, *, success: bool) -> None:
        await self._audit.record(Event(self._clock.now(), user, action.value, resource, success, source))
