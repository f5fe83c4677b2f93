"""Nobody hands out more than they hold: a user, a password or a secret is a way to act as its owner."""

from collections.abc import Set as AbstractSet

from services.gateway.domain.errors import BeyondOwnRights
from shared.principal import Permission, Principal


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
    if missing or not _reaches(caller, assets):
        raise BeyondOwnRights(tuple(missing))


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
    if not _reaches(caller, assets):
        raise BeyondOwnRights(())


def _reaches(caller: Principal, assets: tuple[str, ...]) -> bool:
    return not caller.assets or (bool(assets) and all(map(caller.may_reach, assets)))
