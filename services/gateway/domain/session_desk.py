"""Who is logged in where, and ending it (OWASP ASVS 5, 7.4.5 and 7.5.2).

Users end their sessions in one that they have just logged in to: a thief of an older one cannot keep its owner out.
Administrators end those of others in any: they could as well disable the user.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.credentials import UserReader, Verified, session_stamp, user_stamp
from services.gateway.domain.delegation import check_reaches, is_oneself
from services.gateway.domain.errors import NotAllowed
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.pages import Page
from services.gateway.domain.refresh import Family
from services.gateway.domain.sessions import AuditTrail, Floors
from services.gateway.domain.users import User
from shared.clock import Clock
from shared.errors import JSON
from shared.principal import Permission, Principal


class SessionStore(Protocol):
    """Keeps sessions; each method is one transaction."""

    async def page(self, username: str, now: datetime, *, limit: int, cursor: str | None) -> Page[Family]:
        """Sessions of a user that have not ended, newest first."""
        ...

    async def revoke_one(self, username: str, family_id: str, now: datetime) -> None:
        """End a session, also one that has ended; raise `SessionMissing` if the user never had it."""
        ...

    async def revoke_all(self, username: str, now: datetime) -> int:
        """End all sessions of a user, who is of the next generation then; that generation."""
        ...


class SessionDesk:
    """What users do with their own sessions, and administrators with everybody's.

    Parameters
    ----------
    fresh
        How recent the login of a session is in which users end their own.
    """

    def __init__(
        self,
        *,
        sessions: SessionStore,
        users: UserReader,
        floors: Floors,
        audit: AuditTrail,
        clock: Clock,
        fresh: FreshLogin,
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._floors = floors
        self._audit = audit
        self._clock = clock
        self._fresh = fresh

    async def page(self, caller: Principal, username: str, *, limit: int, cursor: str | None) -> Page[Family]:
        """List the sessions of a user that have not ended, newest first.

        Raises
        ------
        NotAllowed
            If they are somebody else's and the caller does not administer users.
        UserMissing
            If there is none of this name.
        BeyondOwnRights
            If it is somebody who is not limited to assets that the caller reaches.
        """
        await self._check(caller, username)
        return await self._sessions.page(username, self._clock.now(), limit=limit, cursor=cursor)

    async def end(self, caller: Verified, username: str, session_id: str, source: Source) -> None:
        """End one session: its tokens stop working on every replica.

        Raises
        ------
        NotAllowed, UserMissing, BeyondOwnRights
            As for `page`.
        FreshLoginRequired
            If it is one's own, and the login of the caller's session is too long ago.
        SessionMissing
            If the user never had such a session.
        """
        await self._check_end(caller, username)
        await self._floors.require_reachable()
        async with self._act(caller.principal, Action.SESSION_ENDED, username, source, {"session": session_id}):
            await self._sessions.revoke_one(username, session_id, self._clock.now())
        await self._floors.raise_to(session_stamp(session_id, 1))

    async def end_all(self, caller: Verified, username: str, source: Source) -> None:
        """End all sessions of a user, the caller's own among them; API keys go on.

        Raises
        ------
        NotAllowed, UserMissing, FreshLoginRequired, BeyondOwnRights
            As for `end`.
        """
        await self._check_end(caller, username)
        await self._floors.require_reachable()
        async with self._act(caller.principal, Action.SESSIONS_ENDED, username, source, {}):
            generation = await self._sessions.revoke_all(username, self._clock.now())
        # One floor, however many sessions there were: more than the history holds would make every replica forget
        # everybody. Keys are verified anew, and go on.
        await self._floors.raise_to(user_stamp(username, generation))

    async def _check(self, caller: Principal, username: str) -> User:
        # A key is for a machine's own work: its owner's sessions are none of that, unless it administers users.
        own = is_oneself(caller, username)
        if not own and not caller.may(Permission.MANAGE_USERS):
            raise NotAllowed(Permission.MANAGE_USERS.value)
        user = await self._users.get(username)
        if not own:
            check_reaches(caller, user.assets)
        return user

    async def _check_end(self, caller: Verified, username: str) -> None:
        user = await self._check(caller.principal, username)
        if user.username == caller.principal.subject:
            await self._fresh.require(caller)

    def _act(
        self, caller: Principal, action: Action, username: str, source: Source, facts: dict[str, JSON]
    ) -> AbstractAsyncContextManager[None]:
        event = Event(
            self._clock.now(), caller.subject, action.value, username, success=True, source=source, facts=facts
        )
        return self._audit.together(event)
