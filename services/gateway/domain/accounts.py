"""Administration of users."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

from services.gateway.domain.audit import RESERVED_NAMES, Action, Event, Source
from services.gateway.domain.credentials import user_stamp
from services.gateway.domain.delegation import (
    check_holds,
    check_holds_all_of,
    check_reaches,
    is_oneself,
    shown_to,
    unchanged,
)
from services.gateway.domain.errors import NotAllowed, PasswordRefused, UserExists, WrongCredentials
from services.gateway.domain.pages import Page
from services.gateway.domain.passwords import PasswordPolicy, is_short, min_length
from services.gateway.domain.proofs import HashMaker, LoginThrottle, Prover
from services.gateway.domain.sessions import AuditTrail, Floors
from services.gateway.domain.user_store import UserChange, UserStore, apply_change
from services.gateway.domain.users import User
from shared.clock import Clock
from shared.errors import JSON
from shared.principal import ROLE_PERMISSIONS, Permission, Principal, Role


@dataclass(frozen=True, slots=True)
class UserRequest:
    """A user to add."""

    username: str
    password: str = field(repr=False)
    role: Role
    assets: tuple[str, ...] = ()


class Accounts:
    """What an administrator does to users, and a user to their own password."""

    def __init__(
        self,
        *,
        users: UserStore,
        hasher: HashMaker,
        prover: Prover,
        policy: PasswordPolicy,
        floors: Floors,
        throttle: LoginThrottle,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._users = users
        self._hasher = hasher
        self._prover = prover
        self._policy = policy
        self._floors = floors
        self._throttle = throttle
        self._audit = audit
        self._clock = clock

    async def get(self, caller: Principal, username: str) -> User:
        """Find a user.

        Raises
        ------
        UserMissing
            If there is none of this name.
        BeyondOwnRights
            If it is somebody else, and not limited to assets that the caller reaches.
        """
        user = await self._users.get(username)
        if not is_oneself(caller, username):
            check_reaches(caller, user.assets)
        return user

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> Page[User]:
        """List the users that the caller administers, and the caller, by name."""
        return await self._users.page(limit=limit, cursor=cursor, shown=shown_to(caller))

    async def create(self, caller: Principal, asked: UserRequest, source: Source) -> User:
        """Add a user.

        Raises
        ------
        BeyondOwnRights
            If the user could do more than the caller.
        PasswordRefused
            If the password breaks the policy.
        UserExists
            If the name is or was taken.
        """
        check_holds(caller, ROLE_PERMISSIONS[asked.role], asked.assets)
        if asked.username in RESERVED_NAMES:
            raise UserExists(asked.username)
        await self._policy.check(asked.password, asked.username)
        now = self._clock.now()
        user = User(
            username=asked.username,
            role=asked.role,
            password_hash=await self._hasher.hash(asked.password),
            active=True,
            generation=1,
            assets=asked.assets,
            created_at=now,
            password_changed_at=now,
            given_password=True,
        )
        facts: dict[str, JSON] = {"role": user.role.value, "assets": user.assets}
        async with self._act(caller, Action.USER_CREATED, user.username, source, facts):
            await self._users.add(user)
        return user

    async def change(self, caller: Principal, username: str, change: UserChange, source: Source) -> User:
        """Change a user; tokens and keys verified before are verified anew.

        Raises
        ------
        UserMissing
            If there is none of this name.
        BeyondOwnRights
            If the user is given a role or assets, or let in again, and could then do more than the caller, or is not
            limited to assets that the caller reaches.
        LastAdmin
            If nobody would be left to administer.
        """

        def check(user: User) -> None:
            check_reaches(caller, user.assets)
            let_in_again = bool(change.active) and not user.active
            if change.role is not None or change.assets is not None or let_in_again:
                after = apply_change(user, change, other_admins=1)
                check_holds(caller, ROLE_PERMISSIONS[after.role], after.assets)

        await self._floors.require_reachable()
        asked = {"role": change.role, "active": change.active, "assets": change.assets}
        facts: dict[str, JSON] = {name: value for name, value in asked.items() if value is not None}
        async with self._act(caller, Action.USER_CHANGED, username, source, facts):
            user = await self._users.change(username, change, self._clock.now(), check=check)
        await self._floors.raise_to(user_stamp(username, user.generation))
        return user

    async def delete(self, caller: Principal, username: str, source: Source) -> None:
        """Delete a user, with all sessions and keys.

        Raises
        ------
        UserMissing
            If there is none of this name.
        BeyondOwnRights
            If the user is not limited to assets that the caller reaches.
        LastAdmin
            If nobody would be left to administer.
        """
        await self._floors.require_reachable()
        async with self._act(caller, Action.USER_DELETED, username, source):
            user = await self._users.delete(
                username, self._clock.now(), check=lambda user: check_reaches(caller, user.assets)
            )
        await self._floors.raise_to(user_stamp(username, user.generation))

    async def set_password(
        self,
        caller: Principal,
        username: str,
        new: str,
        current: str | None,
        source: Source,
        *,
        deactivate_keys: bool = False,
    ) -> None:
        """Set a password and end every session of the user.

        A user proves the current password first; an administrator may set somebody else's without.

        Parameters
        ----------
        deactivate_keys
            Whether the user's API keys end too, as after a theft: whoever had a session could have made one.

        Raises
        ------
        NotAllowed
            If the caller is neither this user nor an administrator.
        BeyondOwnRights
            If it is somebody else's, and that user may do more than the caller.
        WrongCredentials
            If the current password is wrong or missing.
        PasswordRefused
            If the new password breaks the policy.
        ChangedMeanwhile
            If the user was changed after the current password was proved.
        """
        own = caller.subject == username
        if not own and not caller.may(Permission.MANAGE_USERS):
            raise NotAllowed(Permission.MANAGE_USERS.value)
        await self._floors.require_reachable()
        user = await self._users.get(username)
        if own:
            await self._prove(user, current, source)
            if not user.second_factor:
                # The password alone does not make good for codes that were wrong.
                await self._throttle.forgive(username, source.address)
            if user.given_password and new == current:
                raise PasswordRefused(("choose another than the one that was given to you",), "/new_password")
            check = unchanged(user)
        else:
            check = partial(check_holds_all_of, caller)
            check(user)
        shortest = min_length(second_factor=user.second_factor)
        await self._policy.check(new, username, min_length=shortest, pointer="/new_password")
        password_hash = await self._hasher.hash(new)
        facts = {"keys_deactivated": True} if deactivate_keys else None
        async with self._act(caller, Action.PASSWORD_CHANGED, username, source, facts):
            changed = await self._users.set_password(
                username,
                password_hash,
                self._clock.now(),
                check=check,
                short=is_short(new),
                given=not own,
                keys_too=deactivate_keys,
            )
        await self._floors.raise_to(user_stamp(username, changed.generation))

    async def _prove(self, user: User, current: str | None, source: Source) -> None:
        try:
            await self._prover.check_password(user, current, source.address)
        except WrongCredentials:
            event = Event(
                self._clock.now(),
                user.username,
                Action.PASSWORD_CHANGED.value,
                user.username,
                success=False,
                source=source,
            )
            await self._audit.record(event)
            raise

    def _act(
        self,
        caller: Principal,
        action: Action,
        resource: str,
        source: Source,
        facts: Mapping[str, JSON] | None = None,
    ) -> AbstractAsyncContextManager[None]:
        event = Event(
            self._clock.now(), caller.subject, action.value, resource, success=True, source=source, facts=facts or {}
        )
        return self._audit.together(event)
