"""Users as they are kept: what is changed about them, and which change nobody may make."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from services.gateway.domain.delegation import Check, Shown
from services.gateway.domain.errors import LastAdmin
from services.gateway.domain.pages import Page
from services.gateway.domain.users import User
from shared.principal import Role


@dataclass(frozen=True, slots=True)
class UserChange:
    """What an administrator changes; `None` leaves a field as it is."""

    role: Role | None = None
    active: bool | None = None
    assets: tuple[str, ...] | None = None


class UserStore(Protocol):
    """Keeps users; each method is one transaction, and nothing is changed where its `check` raises."""

    async def get(self, username: str) -> User:
        """Raise `UserMissing` if there is none."""
        ...

    async def add(self, user: User) -> None:
        """Raise `UserExists` if the name is or was taken."""
        ...

    async def page(self, *, limit: int, cursor: str | None, shown: Shown) -> Page[User]:
        """Users by name, as far as they are shown."""
        ...

    async def change(self, username: str, change: UserChange, now: datetime, *, check: Check) -> User:
        """Apply a change and raise the generation; `LastAdmin` rather than leave no administrator."""
        ...

    async def set_password(
        self,
        username: str,
        password_hash: str,
        now: datetime,
        *,
        check: Check,
        short: bool = False,
        given: bool = False,
        keys_too: bool = False,
    ) -> User:
        """Set the hash, raise the generation and end every session of the user.

        `short`: it may only be used beside a second factor; `given`: somebody else chose it; `keys_too`: deactivate
        the user's API keys.
        """
        ...

    async def delete(self, username: str, now: datetime, *, check: Check) -> User:
        """Delete a user for good, end every session and raise the generation; the name stays taken."""
        ...


def apply_change(user: User, change: UserChange, *, other_admins: int) -> User:
    """The user after a change, one generation on.

    Parameters
    ----------
    other_admins
        How many other active administrators there are who are not limited to assets.

    Raises
    ------
    LastAdmin
        If the change would leave none.
    """
    changed = replace(
        user,
        role=user.role if change.role is None else change.role,
        active=user.active if change.active is None else change.active,
        assets=user.assets if change.assets is None else change.assets,
        generation=user.generation + 1,
    )
    if _administers(user) and not _administers(changed):
        check_not_last(user, other_admins=other_admins)
    return changed


def check_not_last(user: User, *, other_admins: int) -> None:
    """Refuse to lose this user as an administrator if there is no other.

    Raises
    ------
    LastAdmin
        If nobody would be left.
    """
    if _administers(user) and other_admins == 0:
        raise LastAdmin


def _administers(user: User) -> bool:
    # Of all of it: one who is limited to a site can lift nobody's limits, the own ones included.
    return user.active and user.role is Role.ADMIN and not user.assets
