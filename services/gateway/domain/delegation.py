"""Nobody hands out more than they hold: a user, a password or a secret is a way to act as its owner."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from services.gateway.domain.errors import BeyondOwnRights, ChangedMeanwhile
from services.gateway.domain.users import User
from shared.principal import ROLE_PERMISSIONS, Permission, Principal

# Raises where a user, as stored in the moment of an act, may not be acted on so: who was looked at before that may
# have been given more since.
Check = Callable[[User], None]
# Whether somebody sees a user, or a key of theirs, that works on these assets: `(username, assets) -> bool`.
Shown = Callable[[str, tuple[str, ...]], bool]


def check_holds(caller: Principal, permissions: AbstractSet[Permission], assets: tuple[str, ...]) -> None:
    """Let the caller hand out rights that it has itself.

    Without this, an API key that may only manage users makes itself an administrator, and one that may only manage
    keys takes over the widest of them by giving it a new secret.

    Parameters
    ----------
    assets
        Subtrees that the rights are limited to; empty means all.

    Raises
    ------
    BeyondOwnRights
        If a permission or a subtree is not the caller's.
    """
    missing = sorted(permission.value for permission in permissions - caller.permissions)
    if missing or not reaches(caller, assets):
        raise BeyondOwnRights(tuple(missing))


def check_holds_all_of(caller: Principal, user: User) -> None:
    """Let the caller become somebody who may do no more, as whoever sets a password could.

    Raises
    ------
    BeyondOwnRights
        If the user may do more than the caller.
    """
    check_holds(caller, ROLE_PERMISSIONS[user.role], user.assets)


def check_reaches(caller: Principal, assets: tuple[str, ...]) -> None:
    """Let the caller change or end a user or key, whatever that may do, if it works where the caller does.

    Who is limited to one site does not lock out the people of another.

    Parameters
    ----------
    assets
        Subtrees that the user or key is limited to; empty means all.

    Raises
    ------
    BeyondOwnRights
        If a subtree is not the caller's.
    """
    if not reaches(caller, assets):
        raise BeyondOwnRights(())


def is_oneself(caller: Principal, username: str) -> bool:
    """Whether a user is the caller in person.

    A key acts as its owner and may be limited to less: what is open to them as themselves is not open to it. Otherwise
    the administrator of a site would make a key of somebody who is not limited, and find out and end what is theirs.
    """
    return caller.subject == username and caller.method != "api_key"


def unchanged(seen: User) -> Check:
    """Let an act go on if nobody has changed the user since it was allowed.

    The check raises `ChangedMeanwhile` if somebody has.
    """

    def check(user: User) -> None:
        if user.generation != seen.generation:
            raise ChangedMeanwhile

    return check


def shown_to(caller: Principal) -> Shown:
    """What an administrator sees of users and keys: their own, and those that reach no further than they do."""
    return lambda username, assets: is_oneself(caller, username) or reaches(caller, assets)


def reaches(caller: Principal, assets: tuple[str, ...]) -> bool:
    """Whether all that a user or key is limited to lies where the caller works."""
    return not caller.assets or (bool(assets) and all(map(caller.may_reach, assets)))
