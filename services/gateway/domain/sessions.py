"""Logging in, staying logged in, and logging out."""

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.gateway.domain import refresh
from services.gateway.domain.audit import Action, Event, Source, storable
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.credentials import Stamp, UserReader, Verified, session_stamp
from services.gateway.domain.errors import RefreshRejected, UserMissing, WrongCredentials
from services.gateway.domain.factor_errors import SecondFactorRequired
from services.gateway.domain.passwords import is_checkable
from services.gateway.domain.proofs import HashMaker, LoginThrottle, Prover
from services.gateway.domain.refresh import Family, RefreshToken, Verdict
from services.gateway.domain.users import User, is_username
from shared.clock import Clock
from shared.errors import JSON

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


class LoginUsers(UserReader, Protocol):
    """Users, and what a login leaves with them."""

    async def note_login(self, username: str, now: datetime) -> None:
        """Keep when the user logged in."""
        ...

    async def replace_hash(self, username: str, old: str, new: str) -> None:
        """Keep another hash of the same password, unless it was changed meanwhile."""
        ...


class TokenIssuer(Protocol):
    """Signs access tokens."""

    def issue(self, claims: AccessClaims) -> str:
        """Sign the claims."""
        ...


# What goes on the trail about a refresh token that was presented; `None` for nothing.
Tell = Callable[[Verdict, Family], Event | None]


class FamilyStore(Protocol):
    """Keeps refresh tokens; each method is one transaction."""

    async def open(self, family: Family, token: RefreshToken, *, generation: int) -> None:
        """Keep a new family and its first token; raise `WrongCredentials` if the user's generation is another now."""
        ...

    async def rotate(
        self, digest: bytes, successor_digest: bytes, *, now: datetime, idle: timedelta, tell: Tell
    ) -> tuple[Verdict, Family]:
        """Judge the token, do what the verdict says, and write what `tell` says of it: all of that or nothing.

        Raise `RefreshRejected` if there is no such token.
        """
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


class AuditTrail(Protocol):
    """Writes security events before they are answered."""

    async def record(self, event: Event) -> None:
        """Return when the event is in the chain."""
        ...

    def together(self, event: Event) -> AbstractAsyncContextManager[None]:
        """Write the event in the transaction that the block makes: both happen or neither, none if the block fails."""
        ...


class Sessions:
    """The life of a session, from a password to the logout."""

    def __init__(
        self,
        *,
        users: LoginUsers,
        hasher: HashMaker,
        prover: Prover,
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
        self._prover = prover
        self._issuer = issuer
        self._families = families
        self._floors = floors
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._entropy = entropy
        self._lifetimes = lifetimes

    async def login(self, username: str, password: str, source: Source, *, code: str | None = None) -> TokenPair:
        """Open a session for a user who knows the password, and has the second factor if one is enrolled.

        Parameters
        ----------
        code
            Of the authenticator app, or a recovery code; without a second factor it is not looked at.

        Raises
        ------
        WrongCredentials
            If the user does not exist, is disabled, or password or code is wrong: the answer does not tell which, and
            neither does the time it takes.
        SecondFactorRequired
            If the password is right and a code is needed as well.
        TooManyAttempts
            If too many attempts came as this user from this address, or from this address at all.
        """
        await self._throttle.admit(username, source.address)
        told: dict[str, JSON] = {}
        try:
            user = await self._verified_user(username, password)
            if user.second_factor:
                # For whoever reads the trail: from here on somebody knows the password.
                told = {"password": "right"}
                told |= await self._check_code(user, code, source)
            event = Event(
                self._clock.now(), username, Action.LOGIN.value, username, success=True, source=source, facts=told
            )
            async with self._audit.together(event):
                pair = await self._open(user, source)
        except (WrongCredentials, SecondFactorRequired):
            refused = Event(
                self._clock.now(), username, Action.LOGIN.value, username, success=False, source=source, facts=told
            )
            await self._audit.record(refused)
            raise
        await self._throttle.forgive(username, source.address)
        await self._throttle.remember(username, source.address)
        await self._note(user, password)
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

        def tell(verdict: Verdict, family: Family) -> Event | None:
            if verdict is Verdict.REFUSE:
                return None
            rotated = verdict is Verdict.ROTATE
            action = Action.REFRESH if rotated else Action.REFRESH_REUSED
            return Event(now, family.username, action.value, family.family_id, success=rotated, source=source)

        verdict, family = await self._families.rotate(
            refresh.digest_of(text),
            refresh.digest_of(successor),
            now=now,
            idle=self._lifetimes.refresh_idle,
            tell=tell,
        )
        if verdict is Verdict.REVOKE_FAMILY or family.revoked_at is not None:
            # Also for a family that had ended before: whoever ended it may not have got as far as this.
            await self._floors.raise_to(session_stamp(family.family_id, 1))
        if verdict is not Verdict.ROTATE:
            raise RefreshRejected
        return self._pair(await self._active_user(family), family, successor, now)

    async def logout(self, caller: Verified, source: Source) -> None:
        """End the caller's session; with an API key there is none, and nothing happens."""
        if caller.session_id is None:
            return
        await self._floors.require_reachable()
        now, session_id = self._clock.now(), caller.session_id
        event = Event(now, caller.principal.subject, Action.LOGOUT.value, session_id, success=True, source=source)
        async with self._audit.together(event):
            await self._families.revoke(session_id, now)
        await self._floors.raise_to(session_stamp(session_id, 1))

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

    async def _check_code(self, user: User, code: str | None, source: Source) -> dict[str, JSON]:
        if code is None:
            raise SecondFactorRequired
        recovered = await self._prover.check_code(user, code, source.address)
        return {"code": "recovery" if recovered else "app"}

    async def _note(self, user: User, password: str) -> None:
        await self._users.note_login(user.username, self._clock.now())
        if self._hasher.is_outdated(user.password_hash):
            # Only now is the password at hand from which a hash of today's strength can be made.
            await self._users.replace_hash(user.username, user.password_hash, await self._hasher.hash(password))

    async def _open(self, user: User, source: Source) -> TokenPair:
        now = self._clock.now()
        family = Family(
            uuid.UUID(bytes=self._entropy(16)).hex,
            user.username,
            created_at=now,
            ends_at=now + self._lifetimes.session,
            revoked_at=None,
            address=storable(source.address),
            user_agent=storable(source.user_agent),
        )
        text = refresh.write_token(self._entropy(refresh.ENTROPY_BYTES))
        token = RefreshToken(refresh.digest_of(text), family.family_id, now + self._lifetimes.refresh_idle, None)
        # Hashing takes its time: a password that was changed meanwhile must not open a session that outlives it.
        await self._families.open(family, token, generation=user.generation)
        return self._pair(user, family, text, now)

    async def _active_user(self, family: Family) -> User:
        try:
            user = await self._users.get(family.username)
        except UserMissing:
            raise RefreshRejected from None
        if not user.active:
            raise RefreshRejected
        return user

    def _pair(self, user: User, family: Family, refresh_text: str, now: datetime) -> TokenPair:
        # The end of the session is the end of everything issued in it.
        life = min(self._lifetimes.access, family.ends_at - now)
        claims = AccessClaims(user.username, family.family_id, user.generation, now, now + life)
        return TokenPair(self._issuer.issue(claims), refresh_text, int(life.total_seconds()))
